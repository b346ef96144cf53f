"""Words of everyday speech that are, or are in, the names of characters.

No dictionary: closed classes (who, my, how ...) in full, and the words that people give as names.
What is in no list counts as a name.
"""

from __future__ import annotations

import re


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


# Folded, as everything that is compared here: no accents, small letters.

POSSESSIVES = _set(
    "my your our his her their its mein meine meinen meinem meiner dein deine deinen deinem",
    "deiner sein seine unser unsere euer mon ma mes ton ta tes son sa ses notre nos votre vos",
    "leur mi mis tu tus su sus nuestro nuestra mio tuo tua suo sua nostro nostra meu minha teu",
    "seu sua nosso nossa mijn jouw uw onze moj moja moje twoj twoja twoje мои моя мое твои твоя",
    "твое наш наша ваш ваша",
)
INDEFINITE = _set(
    "a an some any every each no another one ein eine einen einem einer kein keine keinen un une",
    "une des uno una um uma een",
)
DEFINITE = _set(
    "the this that these those", "der die das den dem le la les el los las il lo de het"
)
DETERMINERS = POSSESSIVES | INDEFINITE | DEFINITE
BEFORE_A_NOUN = (POSSESSIVES | INDEFINITE | {"the"}) - {"her", "no", "one", "tu", "la", "des"}
"""After these, a word in small letters is no name, whatever it is."""

QUESTIONS = _set(
    "who whom whose what which when where why how wer wen wem was welche welcher welches wann wo",
    "wohin warum wieso wie qui que quoi quel quelle quand ou pourquoi comment combien quien que",
    "cual cuando donde porque como cuanto chi che cosa quale quando dove perche quanto quem qual",
    "onde wie wat welke wanneer waar waarom hoe kto co ktory kiedy gdzie dlaczego jak кто кого",
    "кому что какои какая когда где куда почему зачем как сколько",
)
FUNCTION = (
    DETERMINERS
    | QUESTIONS
    | _set(
        "i you he she it we they me him us them mine yours hers ours myself yourself is am are",
        "was were be been being do does did have has had can could shall should would must might",
        "not and or but nor if then than because so though while as at by for from in into of",
        "off on onto out over to under up with without about after before between through yes no",
        "yeah yep nope ok okay oh ah well now here there just only also too very much many more",
        "most all both few other such same own again ever never always often still yet please",
        "hello hi hey thanks maybe really let lets get got go going gonna something anything",
        "nothing someone anyone somebody anybody everyone everybody nobody ich du er sie es wir",
        "ihr mich dich sich uns euch mir dir ihm ihnen ist bin bist sind war hat habe hast kann",
        "will nicht und oder aber wenn dann weil so ja nein auch nur noch schon im am zu zum zur",
        "bei mit nach von vom aus auf an in fur uber unter vor hier da jetzt je tu il elle on",
        "nous vous ils elles moi toi lui est es suis sont ete ai as avons et mais ne pas plus",
        "dans sur avec sans pour par oui non si ici la ce cet cette yo el ella nosotros ellos me",
        "te se nos es soy eres son esta hay y o pero con sin para por si no muy mas aqui io lui",
        "lei noi voi loro sono sei e ma con per non piu qui ci eu ele ela nos eles voce sou sao",
        "mas com sem para sim nao ik jij hij zij wij en of maar ja ty on ona my wy oni jest sa",
        "nie tak i ale w na z do я ты он она оно мы вы они мне тебе его ее их нам вам и или но а",
        "не да нет так вот тут в на с к у о по за из от до для это этот эта",
    )
) - {"will", "so", "no", "do", "an", "on", "la", "as", "ai", "mia", "ella", "may"} | {
    *("so", "no", "do", "an", "on", "as", "la")
}
"""Pronouns, articles, prepositions and the like: alone, they mean nobody."""

MODALS = _set("will may can")
"""What stands before a verb as often as it names somebody."""
WISHES = MODALS | _set("hope bless trust")
"""Before "I" or "you" they are verbs."""
CALENDAR = _set(
    "january february march april may june july august september october november december",
    "monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter",
)

DOING = _set(
    "mark will bill grant chase pat rob sue drew frank rich don jack nick skip chip rip buck",
    "ernest wade ward lance miles gene harry josh peg pierce tuck trip victor",
)
"""Names that are verbs or adjectives as well: none of them is the subject of "is", but by name."""
NAMES_TOO = (
    DOING
    | CALENDAR
    | _set(
        "hope faith grace joy charity chastity constance prudence patience mercy honor justice",
        "liberty verity felicity harmony melody serenity destiny trinity heaven angel dawn eve",
        "autumn misty sunny stormy rainy sky skye star storm rain snow river brook brooke lake",
        "cliff forest glen heath dale rock stone sandy ash woody rose lily daisy iris violet ivy",
        "holly heather jasmine poppy rosemary sage basil ginger pepper olive cherry apple",
        "clementine coral pearl ruby amber jade crystal opal diamond goldie penny sterling carol",
        "viola reed piper harper bell robin jay wren raven phoenix hawk drake bear wolf fox",
        "kitty bunny colt hunter fisher archer mason cooper carter porter parker taylor tyler",
        "baker cook page bishop king prince duke earl dean major marshal sergeant knight guy",
        "buddy sonny junior art ray max ace dash blaze bo rusty dusty curly jewel treasure bliss",
        "candy honey sugar lucky blue scarlet hazel price bush field ford hill moon sun wood",
        "rivers banks fields english french german stark cash cross day power rush love nova",
        "chance christian cat kit dot bea van jean norm stew",
        # short words, and what is written as one: AI, PC
        "ai pc tv dj vr al di ha ho lo ma pa ya pi",
        # German, French, Spanish, Italian, Russian, Ukrainian
        "ernst wolf engel konig klein lang gross jung falk hahn vogel pierre claire aurore olive",
        "blanche aime prosper belle petit grand sol luz mar paz domingo cruz gioia speranza вера",
        "надежда любовь слава роман лев мир света мила лада",
    )
)
IN_CAPITALS = _set("ai pc tv dj vr")
"""Words that nobody writes with one capital; in that form they are names."""
ACRONYMS = _set("ed pe pr id hr pat nat ann eva ira ada mia ram rem cam sam pam")
"""Names that mean something else in capitals: "the EVA took hours", "the ED"."""
_GERMAN = (
    "freund freundin bruder schwester mutter vater mama papa kind junge madchen mann frau herr "
    "kapitan arzt lehrer lehrerin meister"
)
_GERMAN_THINGS = "spiel hund katze nacht tag zeit leben liebe hoffnung"
PEOPLE = _set(
    "captain doctor nurse teacher coach master mistress player teller friend enemy brother",
    "sister mother father mom mum mommy mummy dad daddy son daughter baby child kid boy girl man",
    "men woman women lady gentleman people person husband wife boyfriend girlfriend uncle aunt",
    "grandma grandpa grandmother grandfather neighbor cousin chef guide host driver pilot sailor",
    "soldier pirate farmer healer helper assistant mentor tutor trainer expert customer agent",
    "spy detective judge lawyer police officer student professor scientist artist writer poet",
    "singer dancer actor boss chief leader manager president queen princess lord emperor god",
    "goddess devil demon ghost witch wizard monster dragon robot computer hero villain thief",
    "killer vampire zombie alien guard ranger rogue cleric warrior mage elf dwarf orc bard monk",
    "paladin sheriff cowboy barista waiter barber butcher clerk narrator guest stranger traveler",
    "mister madam saint reverend sweetheart darling cat dog owl",
    _GERMAN,
    "ami amie frere soeur mere pere enfant fille garcon homme femme maitre capitaine docteur",
    "amigo amiga hermano hermana madre padre hombre mujer maestro capitan fratello sorella amico",
    "amica друг подруга брат сестра мама папа мать отец сын дочь мальчик девочка мужчина женщина",
    "капитан доктор учитель мастер",
)
"""Whom one speaks to."""
THINGS = _set(
    "game story night day time morning evening service support machine program bird horse fish",
    "lion tiger mouse rabbit duck pig cow frog snake spider turtle monkey head hand eye heart",
    "mind soul voice face life death war peace fire ice water sea earth world space city town",
    "house home room door street road school work job party food coffee tea bread wine beer",
    "money news weather sport sports health history math science music movie film book language",
    "word name number question answer idea thing way place country travel evil dark light bright",
    "red yellow orange pink purple gold golden silver iron steel high low fast slow hot cold",
    "warm cool smart wise angry grumpy lazy sleepy crazy mad kind brave gentle quiet loud silent",
    "secret magic real false free lost dead wild holy royal old young little long short strong",
    "small big brown black white green gray sharp swift early sweet precious chat bot",
    _GERMAN_THINGS,
    "jeu chien chat nuit jour temps vie amour juego noche dia vida amor gioco notte giorno tempo",
    "игра ночь день время жизнь",
)
SAID_ALONE = _set(
    "best better good great bad new last first next second third funny sad nice true right sweet",
    "lucky talk speak tell say think know help play read sing dance run walk fight kill dear",
    "happy bon bonne meilleur meilleure jeune vieux vieille mejor bueno buena viejo vieja beste",
    "bester bestes guter gute kleiner kleine alter alte neuer neue grosser grosse лучшии лучшая",
    "старыи маленькии маленькая большои",
)
"""Not even at the beginning, before a comma, do they call somebody: "Good, ..."; "Help!"."""
GERMAN_NOUNS = _set(_GERMAN, _GERMAN_THINGS, "wolf engel konig hahn vogel")
"""Written with a capital wherever they stand."""
DESCRIBING = _set(
    "my your our his her their the who what how why where when mein meine dein deine unser",
    "unsere notre votre nuestro nuestra мои моя твои твоя наш наша",
)
ADJECTIVE = re.compile(
    r"[a-z]{3,}(?:ful|less|ious|eous|rous|tive|sive|stic|atic|etic|able|ible|tion|sion|ness|ship)"
)
"""Endings of English words that hardly any name has."""


def is_common(word: str) -> bool:
    """Return whether a folded word is one of everyday speech, as far as is known here."""
    return (
        word in FUNCTION
        or word in NAMES_TOO
        or word in PEOPLE
        or word in THINGS
        or word in SAID_ALONE
        or ADJECTIVE.fullmatch(word) is not None
    )


def is_described(words: list[str]) -> bool:
    """Return whether a name of these words is a description ("My Little Brother", "The Doctor")."""
    return len(words) > 1 and not DESCRIBING.isdisjoint(words)


# -- what stands beside a name that is spoken to ------------------------------------------------

GREETINGS = _set(
    "hey hi hello dear thanks bye goodbye yo welcome morning evening greetings ask tell sorry",
    "hallo servus moin danke tschuss frag frage sag salut bonjour bonsoir merci demande dis hola",
    "gracias adios pregunta dile ciao grazie chiedi ola obrigado obrigada oi tchau czesc dzieki",
    "hoi dag bedankt hej tack привет спасибо здравствуи здравствуите скажи скажите спроси",
    "спросите позови пусть пока привіт дякую скажи",
    "goodnight night",
)
"""Who follows is meant: "hey Mark", "ask Hope"."""
OPENERS = _set(
    "ok okay so well and yes yeah no please listen look now oh also then about but right alright",
    "ja nein also gut und bitte oui non alors et bon si bueno pues y sim entao e да нет ну и так",
    "а но",
)
"""Who follows them and a pause, or a question, is meant: "okay Mark, ..."."""
FOLLOWERS = _set(
    "who whom whose what which where why how when please hi hello hey tell let let's lets give",
    "listen stop wait thanks what's how's where's who's why's don't wieso warum wie bitte erzahl",
    "pourquoi comment combien quand dis cuando donde dime dove quando dimmi onde jak gdzie",
    "powiedz waarom hoe что кто как когда где куда почему зачем скажи расскажи",
    "go привет здравствуи",
)
ASKING = _set(
    "do did are were can could would will have should is kannst konntest hast bist willst peux",
    "pourrais es puedes eres puoi sei pode можешь ты",
)
"""The same, if a pronoun follows them in turn: "mark can you help"."""
PRONOUNS = _set("i you he she it we they du ihr tu vous tu te ты вы мне нам")
"""Who stands before them, at the beginning, is meant: "mark what do you think"."""
FINISHED = _set(
    "think say mean reckon suggest doing up please now here today too again then right thanks",
    "there tonight",
    "turn ahead agree",
)
"""Who follows them, at the end, is meant: "what do you think mark"."""
IS = _set("is was has")
SAYS = _set("says said thinks thought knows knew wants wanted told asked agrees")
SAY = _set(
    "think say know want like feel remember believe agree mean answer explain speak decide reply"
)
HELPING = _set("does did let can could would should")
SPEAKING = _set("talk speak talking speaking listen listening agree said chat")
JOINED = re.compile(r"\s*,?\s*(?:and|or|&|\+|und|oder|et|ou|y|o|e|i|en|of|и|или|та|oraz)\s+")
