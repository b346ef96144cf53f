"""Replies into a character's own words: no names in front, no tags, nobody else's lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.stages.answering.speaker_filter import SpeakerFilter


def own(text: str, cuts: list[int] | None = None) -> str:
    words = SpeakerFilter("Olivia Barns", ["Mark Chen", "Rosa", "美咲"])
    pieces, at = [], 0
    for cut in cuts or []:
        pieces.append(text[at : at + cut])
        at += cut
    return "".join(map(words.feed, [*pieces, text[at:]])) + words.flush()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Olivia: Hello.", "Hello."),
        ("**Olivia Barns:** Hello.", "Hello."),
        ("[Olivia] : Hello.", "Hello."),
        ("### Assistant: Hello.\n### Human: hi", "Hello.\n"),
        ("### Response:\nHello.\n\n### Instruction:\nMore.", "\nHello.\n\n"),
        ("Hello.\n### User: and?", "Hello.\n"),
        ("### Input: what it is", "### Input: what it is"),
        ("# Assistant: the job\nInput: text", "# Assistant: the job\nInput: text"),
        ("Hello: this is no name.", "Hello: this is no name."),
        ("Hello.\nOlivia: And more.", "Hello.\nAnd more."),
        ("Hello.\nMark: I disagree.\nOlivia: Oh.", "Hello.\n"),
        ("Hello.\n**Rosa**: me too", "Hello.\n"),
        ("Hello.\nUser: hi", "Hello.\n"),
        ("Hello.\nHuman: hi", "Hello.\n"),
        ("你好。\n美咲：好", "你好。\n"),
        ("Mark: I am not Mark", ""),
        ("Mark said so. Mark: who?", "Mark said so. Mark: who?"),
        ("Olivia", "Olivia"),
        ("Note: it is late.\nOlivia: yes", "Note: it is late.\nyes"),
        ("<Olivia> Hello. </Olivia>", " Hello. "),
        ("<olivia barns>Hello.</olivia barns>", "Hello."),
        ("Hello. </Mark> Bye.", "Hello.  Bye."),
        ("Hello. <Mark> I disagree. </Mark>", "Hello. "),
        ("<Olivia>Olivia: Hello.", "Hello."),
        ("<Olivia>Hi.</Olivia>\n<Rosa>Hi.</Rosa>", "Hi.\n"),
        ("1 < 2 and <b>bold</b> <3", "1 < 2 and <b>bold</b> <3"),
        ("a <", "a <"),
        ("Olivia (smiling): Hello friend!", "Hello friend!"),
        ("**Olivia Barns** *(leaning in)*: Hello.", "Hello."),
        ("Olivia [whispers]: Hello.\nOlivia *laughs*: Oh.", "Hello.\nOh."),
        ("Hello.\nMark (angrily): Go away!", "Hello.\n"),
        ("Hello.\n[Rosa] (from afar) : Hey!", "Hello.\n"),
        ("Olivia (my sister) said: hello", "Olivia (my sister) said: hello"),
        ("Olivia (smiling", "Olivia (smiling"),
        ("**Mark** said: hello", "**Mark** said: hello"),
        ("Olivia (a\nb): c", "Olivia (a\nb): c"),
        ("\n\n  Olivia: Hello.", "\n\nHello."),
        (" " * 200 + "Mark: no name any more", " " * 200 + "Mark: no name any more"),
        ("Olivia:" + " " * 200 + "Hi", " " * 87 + "Hi"),
        ("<" * 300 + "Mark>", "<" * 299),
        ("a <Oli", "a <Oli"),
        ("<" + "x" * 200 + ">", "<" + "x" * 200 + ">"),
    ],
)
def test_a_character_speaks_for_itself_only(written: str, kept: str) -> None:
    assert own(written) == kept
    assert own(written, [1] * len(written)) == kept


@pytest.mark.parametrize("first", ["In", "As", "Re", "Instr", "Response", "I", "#hash"])
def test_the_first_words_of_a_reply_are_not_held_back(first: str) -> None:
    assert SpeakerFilter("Olivia Barns", ["Mark Chen"]).feed(first) == first


PIECES = st.sampled_from(
    [
        *("Olivia", "Mark", "Rosa", "Olivia Barns", "User", "美咲", ": ", ":", "：", "\n", " "),
        *("**", "[", "]", "(", "_", "hi", "O", "Ma", "<", ">", "</", "/", "<Olivia>", "</Rosa>"),
        *("### ", "Assistant", "Instruction", "#", "\n\n"),
        *("<Rosa", "<b>", "x" * 50, " (", ") ", " " * 40, "(smiling)", "*waves* "),
    ]
)


@given(st.lists(PIECES, max_size=16).map("".join), st.lists(st.integers(1, 6), min_size=1))
def test_own_words_do_not_depend_on_the_chunks(text: str, cuts: list[int]) -> None:
    assert own(text, cuts) == own(text)
    assert own(text, [1] * len(text)) == own(text)


@given(st.text())
def test_text_without_names_is_left_as_it_is(text: str) -> None:
    words = SpeakerFilter("Qx", ["Zy"])
    lower = text.casefold()
    if not any(name in lower for name in ("qx", "zy", "user", "human")):
        assert words.feed(text) + words.flush() == text


@given(st.text(alphabet="Olivia MarkRs:<>/\n", max_size=60))
def test_nobody_elses_line_is_ever_kept(text: str) -> None:
    for line in own(text).splitlines():
        assert not line.strip().startswith(("Mark:", "Rosa:"))
        assert "<Mark>" not in line
