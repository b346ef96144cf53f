"""What counts as breaking in: words, and not what people murmur while they listen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.stages.hearing.backchannels import (
    BACK_CHANNELS,
    COURTESIES,
    STOP_PHRASES,
    Backchannels,
    Verdict,
)

NAMES = ["Olivia Barns", "Mark Chen", "Mark Twain"]
backchannels = Backchannels()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", Verdict("nothing")),
        (" ... ", Verdict("nothing")),
        ("Mhm.", Verdict("back_channel")),
        ("Uh-huh, yeah, OK!", Verdict("back_channel")),
        ("Yeah, but why?", Verdict("words")),
        ("No.", Verdict("words")),
        ("Stop!", Verdict("stop")),
        ("Hold on.", Verdict("stop")),
        ("Okay, wait a second, please.", Verdict("stop")),
        ("That’s enough, thanks", Verdict("stop")),
        ("Hold on, Mark.", Verdict("stop", ("Mark Chen",))),
        ("mark twain, stop", Verdict("stop", ("Mark Twain",))),
        ("Olivia and Mark, stop", Verdict("words")),
        ("Olivia, Mark Chen, be quiet!", Verdict("stop", ("Olivia Barns", "Mark Chen"))),
        ("Hold on, Rosa.", Verdict("words")),
        ("Mark?", Verdict("words")),
        ("Stop the car in that story", Verdict("words")),
        ("Hold on to your hats", Verdict("words")),
    ],
)
def test_what_is_said_over_others_is_judged_by_all_of_its_words(
    text: str, verdict: Verdict
) -> None:
    assert backchannels.judge(text, NAMES) == verdict


@given(st.lists(st.sampled_from(BACK_CHANNELS), min_size=1, max_size=5), st.sampled_from(" ,.!"))
def test_any_row_of_back_channels_is_one(phrases: list[str], mark: str) -> None:
    text = f"{mark} ".join(phrases).upper()
    assert backchannels.judge(text, NAMES).kind == "back_channel"


@given(
    st.lists(st.sampled_from([*BACK_CHANNELS, *COURTESIES]), max_size=3),
    st.sampled_from(STOP_PHRASES),
    st.sampled_from([None, *NAMES]),
)
def test_the_beginning_of_an_aside_never_confirms(
    before: list[str], phrase: str, name: str | None
) -> None:
    text = " ".join([*before, phrase, *filter(None, [name])])
    assert backchannels.judge(text, NAMES) == Verdict("stop", (name,) if name else ())
    for end in range(len(text) + 1):
        assert backchannels.may_become_backchannel(text[:end], NAMES), text[:end]


@given(st.text(max_size=40))
def test_words_are_never_taken_for_nothing(text: str) -> None:
    verdict = backchannels.judge(text, NAMES)
    assert (verdict.kind == "nothing") == (not any(c.isalnum() for c in text))
    if verdict.kind != "words":
        assert backchannels.may_become_backchannel(text, NAMES)


def test_the_phrases_can_be_set() -> None:
    german = Backchannels(("genau", "ach so"), ("warte mal",))
    assert german.judge("Ach so, genau.").kind == "back_channel"
    assert german.judge("Warte mal, Olivia", NAMES) == Verdict("stop", ("Olivia Barns",))
    assert german.judge("mhm").kind == "words"
