"""Words of stage directions in brackets: what faces, voices and bodies do, in several languages."""

from __future__ import annotations

from .narration_words import ACTIONS, DONE, EXPRESSIONS, NOTES, SUBJECTS, forms, word_set

MANNERS = word_set(
    "softly quietly gently sadly happily angrily nervously sarcastically dryly warmly shyly slowly "
    "loudly excitedly cheerfully coldly playfully thoughtfully teasingly solemnly bitterly calmly "
    "eagerly hesitantly sheepishly smugly tenderly wearily sternly darkly brightly faintly "
    "mockingly jokingly awkwardly knowingly aside offstage"
)
"""How something is said."""

MOODS = word_set(
    "amused confused surprised shocked excited embarrassed annoyed deadpan thoughtful sarcastic "
    "flustered startled stunned bemused delighted horrified speechless"
)
"""The mood in which it is said."""

VOICES = word_set("voice tone whisper accent undertone breath")
REFLEXIVES = word_set("himself herself themselves myself itself")

PARTICLES = word_set(
    "up down away around over at to toward towards back in out off into closer forward forwards "
    "aside through onto upward behind across along"
)
"""Where somebody moves or looks."""

SCHEDULED = forms("open close start begin stop continue leave come go run sing play read enter")
"""What shops, trains and bands do as well: these need a body, or a thing that one handles."""

BODIES = word_set(
    "head heads hand hands eye eyes arm arms shoulder shoulders throat lip lips brow brows eyebrow "
    "eyebrows finger fingers face hair chin chest foot feet knee knees nose cheek cheeks ear ears "
    "jaw mouth fist fists leg legs glasses sleeve breath sip bite step bow seat chair glass cup "
    "mug tea coffee door window phone book page notebook hat coat curtain drink gaze smile laugh "
    "sigh look nod"
)
"""Of what moves, and what is moved."""

SOUNDING = forms(
    "creak ring slam knock howl bark crackle rumble chime buzz beep fade swell groan rustle "
    "laugh applaud cheer gasp murmur whisper clap"
)
"""What is to be heard."""

LOUD_NOTES = word_set("laughter applause silence footsteps crickets drumroll thunder")

FOREIGN = word_set(
    # German, Dutch
    "lächelt lächelnd lacht lachend grinst grinsend seufzt seufzend nickt nickend "
    "zwinkert zwinkernd kichert kichernd flüstert flüsternd hustet räuspert schmunzelt schmunzelnd "
    "weint gähnt errötet schluchzt gelächter applaus stille "
    "glimlacht glimlachend lachend zucht zuchtend knikt knipoogt fluistert giechelt hoest gelach "
    # French
    "sourit souriant rit riant rires soupire soupirant hoche chuchote chuchotant "
    "murmure tousse rougit pleure sanglote ricane silence applaudissements glousse "
    # Spanish, Portuguese, Catalan
    "sonríe sonriendo ríe riendo risas suspira suspirando asiente susurra "
    "susurrando tose llora guiña aplausos silencio bosteza "
    "sorri sorrindo risos rindo acena sussurra sussurrando tosse chora pisca "
    "silêncio riure somriu somrient "
    # Italian
    "sorride sorridendo risate ridendo sospira sospirando annuisce sussurra sussurrando "
    "tossisce piange arrossisce applausi silenzio "
    # Scandinavian, Finnish
    "ler leende skrattar skrattande suckar nickar viskar skratt smiler smilende griner sukker "
    "nikker hvisker latter hymyilee hymyillen nauraa nauraen huokaa kuiskaa "
    # Slavic
    "uśmiecha uśmiechając śmieje śmiejąc śmiech wzdycha kiwa szepcze szeptem kaszle płacze cisza "
    "usmívá směje smích vzdychá přikyvuje šeptá "
    "улыбается улыбаясь смеётся смеется смеясь смех вздыхает вздох кивает кивая шепчет шёпотом "
    "шепотом кашляет плачет подмигивает тишина пауза аплодисменты хихикает усмехается "
    "посміхається сміється зітхає киває шепоче "
    # Turkish, Hungarian, Greek, Romanian
    "gülümser gülümseyerek gülümsüyor güler gülerek gülüyor kahkaha fısıldar fısıldayarak "
    "mosolyog mosolyogva nevet nevetve sóhajt bólint suttog γελάει γελώντας χαμογελά χαμογελώντας "
    "αναστενάζει zâmbește zâmbind râde râzând oftează "
    # Arabic, Hebrew, Hindi
    "يبتسم تبتسم يضحك تضحك ضحك يتنهد تتنهد يهمس تهمس צוחק צוחקת מחייך מחייכת נאנח נאנחת "
    "मुस्कुराते मुस्कुराता मुस्कुराती हँसते हंसते हँसता हँसती"
)
"""Expressions as they stand in brackets: third persons, participles and nouns."""

FOREIGN_NAMES = word_set(
    "lächeln lachen grinsen seufzen sourire soupir rire sonrisa suspiro sorriso"
)
"""What an expression is called: it may also be what a word means, as in "smile (sourire)"."""

FOREIGN_LEADS = word_set(
    "er sie es ze zij hij il elle on él ella ele ela lui lei se si sich han hon hun ona ono on "
    "он она они вона він hän o mit met avec con com med z с со een ein eine einem einer un une una "
    "um uma et en le ze sie leise laut leicht sanft verlegen doucement légèrement suavemente "
    "leggermente lekko тихо слегка"
)
"""What may stand before one: who does it, how, and "with a"."""

WRITTEN_TOGETHER = word_set(
    "笑 微笑 大笑 苦笑 轻笑 偷笑 爆笑 笑着 微笑着 大笑着 笑了笑 笑了 叹气 叹息 "
    "叹了口气 点头 点点头 摇头 摇摇头 "
    "沉默 停顿 耸肩 鼓掌 掌声 眨眼 咳嗽 哭泣 轻声 小声 低声 轻声地 小声地 深呼吸 脸红 皱眉 "
    "歎氣 點頭 搖頭 沉默 鼓掌 笑聲 笑い 微笑む 微笑んで 微笑みながら 笑いながら "
    "笑って ため息 頷く 頷いて "
    "うなずく うなずいて 沈黙 間 拍手 咳払い 泣く 小声で "
    "웃음 웃으며 웃으면서 미소 미소를 한숨 한숨을 침묵 박수 끄덕이며 고개를 속삭이며"
)
"""Whole directions in languages that write words together, and Korean beginnings."""

PEOPLE = word_set("he she they")
NEVER_NAMES = word_set(
    "i you it this that these those we there here see note just not and but or if when while what "
    "who how why where for in on at as is are was were do does did can will would should my your "
    "our no yes so then also only well okay ok maybe perhaps please thanks sorry true actually"
)
"""Capitalised words that begin a sentence in brackets and are nobody's name."""

OTHERS = word_set(
    "with in to under long brief short soft awkward heavy another everyone somebody someone both "
    "all still again just almost music"
)
BEGINNINGS = frozenset[str]().union(
    DONE, word_set(EXPRESSIONS), word_set(ACTIONS), NOTES, LOUD_NOTES, SUBJECTS, PEOPLE, MANNERS,
    MOODS, FOREIGN, FOREIGN_NAMES, FOREIGN_LEADS, OTHERS,
)  # fmt: skip
EAST_ASIAN = "\u2e80"
"""From this letter on, words are written together, or are Korean."""


def may_begin_direction(word: str) -> bool:
    """Return whether a stage direction may begin with *word*."""
    if word[0] >= EAST_ASIAN:
        return True
    folded = word.casefold()
    return folded in BEGINNINGS or (word[0].isupper() and folded not in NEVER_NAMES)
