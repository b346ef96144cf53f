"""What stands in brackets: stage directions are not read out, what is said is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Voice, WordMark
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.stages.answering.clauses import Clauses
from aichat.stages.answering.speakable import speakable
from support.chat import a_chat

DIRECTIONS = [
    ("(smiling) Hello.", "Hello."),
    ("[laughs] You are funny.", "You are funny."),
    ("(She looks up.) Who is there?", "Who is there?"),
    ("Sure (laughs).", "Sure."),
    ("Well (sighs) that is so.", "Well that is so."),
    ("I see. (nods slowly) Go on.", "I see. Go on."),
    ("(Olivia laughs softly.) You again.", "You again."),
    ("(clears throat) Ladies and gentlemen.", "Ladies and gentlemen."),
    ("(Pause.) Maybe.", "Maybe."),
    ("[laughter] Thanks.", "Thanks."),
    ("(a long silence) I know.", "I know."),
    ("(softly) Come in.", "Come in."),
    ("(in a low voice) Listen.", "Listen."),
    ("(with a smile) Of course.", "Of course."),
    ("(whispering) They are here.", "They are here."),
    ("Oh no! (gasps) Really?", "Oh no! Really?"),
    ("(looks around nervously) Did you hear that?", "Did you hear that?"),
    ("(takes a deep breath) Fine.", "Fine."),
    ("(turning to Mark) And you?", "And you?"),
    ("(The door creaks open.) Hello?", "Hello?"),
    ("(He shakes his head.) No.", "No."),
    ("(Mark Chen grins.) Got it.", "Got it."),
    ("[takes a sip of tea] Good.", "Good."),
    ("Thanks! (winks)", "Thanks!"),
    ("(chuckling to herself) That was odd.", "That was odd."),
    ("(laughs, then stops) Sorry.", "Sorry."),
    ("(leaning in closer) Tell me.", "Tell me."),
    ("(smiles and nods) Yes.", "Yes."),
    ("(still laughing) I can't.", "I can't."),
    ("(to himself) Where is it?", "Where is it?"),
    ("(sarcastically) Great.", "Great."),
    ("(confused) What?", "What?"),
    ("(*smiles*) Hi.", "Hi."),
    ("(Her eyes light up.) Really?", "Really?"),
    ("(rolls her eyes) Fine.", "Fine."),
    ("[She pauses. Then she smiles.] All right.", "All right."),
    ("(lächelt) Ja, gern.", "Ja, gern."),
    ("(Sie lächelt verlegen.) Danke.", "Danke."),
    ("(lacht leise) Na gut.", "Na gut."),
    ("(seufzend) Also gut.", "Also gut."),
    ("(mit einem Lächeln) Gern.", "Gern."),
    ("(sourit) Bonjour.", "Bonjour."),
    ("(elle soupire) Bon.", "Bon."),
    ("(rires) C'est vrai.", "C'est vrai."),
    ("(avec un sourire) Oui.", "Oui."),
    ("(sonríe) Hola.", "Hola."),
    ("(se ríe) Claro.", "Claro."),
    ("(risas) Muy bien.", "Muy bien."),
    ("(sorride) Ciao.", "Ciao."),
    ("(risos) Pois é.", "Pois é."),
    ("(glimlacht) Ja hoor.", "Ja hoor."),
    ("(uśmiecha się) Tak.", "Tak."),
    ("(śmiech) No dobrze.", "No dobrze."),
    ("(улыбается) Привет.", "Привет."),
    ("(смеётся) Да.", "Да."),
    ("（笑）そうですね。", "そうですね。"),
    ("（微笑）你好。", "你好。"),
    ("(叹气) 好吧。", "好吧。"),
    ("(웃음) 네.", "네."),
    ("(gülümser) Merhaba.", "Merhaba."),
    ("(skrattar) Ja.", "Ja."),
    ("[soft music] Welcome.", "Welcome."),
    ("Hello there (waving).", "Hello there."),
    ("(grinning from ear to ear) Guess what!", "Guess what!"),
    ("Yes (he nods), I agree.", "Yes, I agree."),
    ("[sighs deeply] All right then.", "All right then."),
    ("(She leans back in her chair.) So.", "So."),
    ("(chuckles) No, no.", "No, no."),
    ("(blushing slightly) Thank you.", "Thank you."),
    ("Okay. (pauses) Okay.", "Okay. Okay."),
    ("(Rosa rolls her eyes.) Of course.", "Of course."),
    ("[whispers] Over here!", "Over here!"),
    ("(winking at Mark) Sure.", "Sure."),
    ("(shrugs) Who knows?", "Who knows?"),
    ("(brief pause) Well.", "Well."),
    ("(raises an eyebrow) Really?", "Really?"),
    ("(under her breath) Fool.", "Fool."),
    ("(picks up the phone) Hello?", "Hello?"),
    ("Great! (claps her hands) Let's go.", "Great! Let's go."),
    ("(They laugh.) Good one.", "Good one."),
    ("(A bell rings.) Time!", "Time!"),
    ("(zwinkert) Klar.", "Klar."),
    ("(grinst) Na ja.", "Na ja."),
    ("Genau (nickt).", "Genau."),
    ("(riant) Non.", "Non."),
    ("Bien (hoche la tête) sûr.", "Bien sûr."),
    ("(suspira) Vale.", "Vale."),
    ("（点头）对。", "对。"),
    ("（ため息）そうか。", "そうか。"),
    ("好的（微笑）。", "好的。"),
    ("(кивает) Хорошо.", "Хорошо."),
    ("(ler) Hej.", "Hej."),
    ("(huokaa) No niin.", "No niin."),
    ("(gülerek) Evet.", "Evet."),
    ("(sussurra) Vieni.", "Vieni."),
    ("(giggles nervously) Um.", "Um."),
]
SAID = [
    "It costs ten euros (about eleven dollars).",
    "f(x) is a function.",
    "Smith (2019) says so.",
    "As shown in [1] and [2].",
    "The word is lachen (to laugh).",
    "Sourire (smile) is French.",
    "Call me (I mean it).",
    "(I know, it is odd.) Anyway.",
    "(Just kidding!) No.",
    "The shop (opens at nine) is near.",
    "It takes an hour (two with traffic).",
    "Bring the person(s) you like.",
    "My sister (she lives in Rome) agrees.",
    "The meeting (starting at 10) is long.",
    "He said [sic] that.",
    "Type [your name] here.",
    "(This is optional.) Go on.",
    "(See page five.) Then go.",
    "The capital (Paris) is big.",
    "The band (they play jazz) is good.",
    "Water (H2O) is wet.",
    "I like cats (and dogs).",
    "The film (it was long) ended.",
    "(The museum opens at nine.) We go then.",
    "(He takes the bus.) So he is late.",
    "(She sings in a band.) She is good.",
    "(Speaking of which, call me.) Bye.",
    "(For beginners.) It is easy.",
    "(Yes, really.) It is.",
    "Open the file (read only).",
    "The light (the red one) is on.",
    "(It stands for yes.) OK.",
    "Press the pause button (pause) now.",
    "Sound waves (waves of air) travel.",
    "Bows and arrows (bows of wood) are old.",
    "Cough syrup (cough medicine) helps.",
    "The drink (made in Italy) is sweet.",
    "He is tall (six feet) and thin.",
    "(Thanks to Mark.) Good.",
    "(Mark is late.) We wait.",
    "(In short, no.) Sorry.",
    "(To be honest, yes.) Sorry.",
    "(With luck, yes.) Maybe.",
    "(The last train leaves at ten.) Hurry.",
    "Das kostet zehn Euro (etwa elf Dollar).",
    "(Ich weiß, das klingt komisch.) Aber gut.",
    "Der Laden (er öffnet um neun) ist nah.",
    "Cela coûte dix euros (environ onze dollars).",
    "(C'est vrai.) Bon.",
    "Cuesta diez euros (unos once dólares).",
    "(Es verdad.) Bueno.",
    "Costa dieci euro (circa undici dollari).",
    "Это стоит десять евро (около одиннадцати долларов).",
    "这是一个故事（很好笑的故事）。",
    "他来了（昨天）。",
    "東京（日本の首都）は大きい。",
    "The list: a) one b) two.",
    "I waited (looking for work) a year.",
    "Is it true (really)?",
    "The answer (of course) is no.",
    "Hugs (and kisses) to you.",
    "She is happy (so am I).",
    "The word for it (seufzen) is German.",
    "Il costo (con IVA) è alto.",
    "The set (1, 2) is small.",
    "We open daily (closed on Mondays).",
    "The cost (taxes included) is low.",
    "My dog (a beagle) barks.",
    "Use the left door (not the right one).",
    "(Note that this is old.) Fine.",
    "(It was raining.) We stayed.",
    "The train (leaving at noon) is late.",
    "She came (with her brother) later.",
    "He (my uncle) laughed.",
    "(You should try it.) It is good.",
    "(He was my teacher.) I liked him.",
    "(They are twins.) Funny.",
    "(Paris is lovely.) Go there.",
    "(Running late, sorry.) Soon.",
    "(Call me later.) Bye.",
    "(Open until six.) Come.",
    "The song (sung by Anna) is sad.",
    "A smile (or a laugh) helps.",
    "Try it (in a pan), please.",
    "Emma (Jane Austen) is a novel.",
    "(With pleasure!) Yes.",
    "Add salt (to taste) now.",
    "The team (led by Rosa) won.",
    "Her name (Rosa) is Latin.",
    "(Nobody knows why.) Odd.",
    "(The answer is yes.) Good.",
    "(A friend told me.) So I know.",
    "Der Zug (der letzte) ist weg.",
    "Il est tard (très tard).",
    "Es tarde (muy tarde).",
    "Он пришёл (вчера).",
    "我喜欢它（真的）。",
    "See the docs (read them first).",
    "(His name is Mark.) Yes.",
    "(Their house is big.) Come.",
    "(The door is open.) Come in.",
]
TEXTS = [text for text, _ in DIRECTIONS] + SAID
MARKS = str.maketrans(dict.fromkeys("().,;:!?[]（）。，", " "))


def clauses(pieces: list[str]) -> list[str]:
    made = Clauses()
    return [clause for piece in pieces for clause in made.feed(piece)] + made.flush()


def read_out(text: str) -> str:
    return " ".join(filter(None, map(speakable, clauses(list(text)))))


@pytest.mark.parametrize(("text", "read"), DIRECTIONS)
def test_stage_directions_are_not_read_out(text: str, read: str) -> None:
    assert read_out(text) == read


@pytest.mark.parametrize("text", SAID)
def test_what_is_said_in_brackets_is_read_out(text: str) -> None:
    words = [word for word in text.translate(MARKS).split() if word.isalpha()]
    read = read_out(text).translate(MARKS).split()
    assert [word for word in words if word not in read] == []


def test_a_direction_that_a_voice_may_perform_is_handed_on() -> None:
    assert read_out("Ha [laugh] that is good.") == "Ha [laugh] that is good."


class Laughing(FakeTts):
    """A voice that can laugh."""

    sounds = frozenset({"[laugh]"})


@pytest.mark.anyio
@pytest.mark.parametrize(("voice", "performs"), [(FakeTts, False), (Laughing, True)])
async def test_only_a_voice_that_performs_a_sound_gets_its_tag(
    voice: type[FakeTts], performs: bool
) -> None:
    given = Listening(voice())
    async with a_chat(llm=FakeLlm("[laugh] Ha [laugh] that is [cough] good."), tts=given) as chat:
        await chat.say("@Olivia hi")
        said = " ".join(" ".join(given.spoken).split())
        assert said == ("[laugh] Ha [laugh] that is good." if performs else "Ha that is good.")
        assert (await chat.last_message()).content.startswith("[laugh]")


@pytest.mark.anyio
async def test_a_sound_alone_is_nothing_to_say_for_a_voice_that_does_not_perform_it() -> None:
    given = Listening(FakeTts())
    async with a_chat(llm=FakeLlm("[applause]"), tts=given) as chat:
        await chat.say("@Olivia hi")
        assert given.spoken == []
        assert (await chat.last_message()).content == "[applause]"


@define
class Listening:
    """Notes what a voice is to say."""

    voice: FakeTts
    spoken: list[str] = field(factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.voice, name)

    def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        self.spoken.append(text)
        return self.voice.speak(text, voice)


@pytest.mark.parametrize(
    "text",
    [
        "(She looks up\nand smiles.) Hello.",
        "(smiling Hello.",
        f"(She smiles {'and ' * 60}leaves.) Hello.",
        ":( smiling",
    ],
)
def test_what_is_not_closed_on_its_line_or_too_long_is_read_out(text: str) -> None:
    assert "smil" in read_out(text)


@settings(deadline=None)
@given(st.data())
def test_however_the_text_is_streamed_the_same_is_read_out(data: st.DataObject) -> None:
    said = " ".join(data.draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(said)), max_size=12)) | {0, len(said)})
    pieces = [said[at:end] for at, end in pairwise(cuts)]
    whole = clauses([said])
    assert clauses(pieces) == whole
    assert "".join(whole) == said


@settings(deadline=None)
@given(st.text("(）)[]（ab s.!\n*_laughs", max_size=60), st.integers(1, 7))
def test_brackets_of_any_kind_are_cut_alike_however_they_are_streamed(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    whole = clauses([text])
    assert clauses(pieces) == whole
    assert "".join(whole) == text
