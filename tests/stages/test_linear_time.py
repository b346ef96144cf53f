"""What reads a model's text does so much for a letter, and no more, however long the text is."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aichat.stages.answering import (
    clauses,
    full_stops,
    latex,
    markup_spans,
    narration,
    reply_bounds,
    speaker_filter,
    spoken_symbols,
)
from support.operation_counts import Work, count_patterns, making_counted

speakable = import_module("aichat.stages.answering.speakable")  # the package has a function of it
MODULES = [
    reply_bounds,
    clauses,
    latex,
    narration,
    speaker_filter,
    full_stops,
    speakable,
    spoken_symbols,
    markup_spans,
]
MOST = 1_500
"""Calls and looks that a letter may cost: short wholes are looked for 400 letters on."""
TEXTS = {
    **{"spaces": " ", "stars": "*", "emoji": "👍", "marks": "\u0301", "newlines": "\n"},
    **{
        "in a block": "x ",
        "brackets": "[",
        "parentheses": "(",
        "asides": "(smiles ",
        "links": "[](",
        "smaller": "<",
        "ticks": "`",
    },
    **{"stars that open": "*a. ", "stars that close": "a* ", "points": ".", "dollars": "$"},
    **{"prices": "$a", "backslashes": "\\", "entities": "&amp", "cells": "|", "tildes": "~"},
    **{"powers": "^2", "sums": "2*", "comparisons": "a<b ", "fractions": "\\frac{"},
    **{
        "comments": "<!--",
        "formulas": "\\(a",
        "joiners": "\u200d",
        "numbers": "1. ",
        "bold": "**a ",
    },
    **{
        "blocks": "```a",
        "abbreviations": "z. B. ",
        "rules": "-- x",
        "names": "Mark ",
        "tags": "<Mar",
    },
    **{
        "quotes": '."',
        "addresses": "http://a(",
        "unseen": "\u200b",
        "returns": "\r\n",
        "tabs": "\t",
    },
}


def read(text: str, step: int) -> str:
    """Read a text as a reply is read, in deltas of *step* letters; return what is said."""
    counting = reply_bounds.ReplyBounds("Olivia", longest=2 * len(text) + 1)
    words, cutting, said = (
        speaker_filter.SpeakerFilter("Olivia", ["Mark Chen"]),
        clauses.Clauses(),
        [],
    )
    for at in range(0, len(text), step):
        for piece in counting.slices(text[at : at + step]):
            said += cutting.feed(words.feed(piece))
    said += cutting.feed(words.flush()) + cutting.flush()
    return "".join(map(speakable.speakable, said))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    monkeypatch.setattr(reply_bounds, "LOOP", 10**9)  # here nobody gives up
    count_patterns(MODULES, work, monkeypatch)  # type: ignore[arg-type]
    monkeypatch.setattr(markup_spans, "_closing", making_counted(markup_spans._closing, work))
    return work


def per_letter(work: Work, text: str, step: int) -> float:
    before = work.count
    with work.counted():
        read(text, step)
    return (work.count - before) / len(text)


def made_of(piece: str, letters: int, begins: str = "") -> str:
    return (begins + piece * (letters // len(piece) + 1))[:letters]


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_costs_more_for_each_letter_when_it_is_longer(name: str, work: Work) -> None:
    begins = "```py\n" if name == "in a block" else "Hm. "
    short = made_of(TEXTS[name], 1_500, begins)
    few = {step: per_letter(work, short, step) for step in (3, 1_000_000)}
    assert max(few.values()) <= MOST
    for step, before in few.items():
        assert per_letter(work, made_of(TEXTS[name], 8_000, begins), step) <= 1.5 * before + 20


@pytest.mark.parametrize("name", ["spaces", "stars", "emoji", "newlines", "in a block"])
def test_nor_does_a_megabyte(name: str, work: Work) -> None:
    begins = "```py\n" if name == "in a block" else ""
    before = per_letter(work, made_of(TEXTS[name], 1_000, begins), 1_000_000)
    assert per_letter(work, made_of(TEXTS[name], 1_000_000, begins), 1_000_000) <= before + 20


@given(st.lists(st.sampled_from([*TEXTS.values(), "a", " ", "\n"]), min_size=1, max_size=5))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nor_does_any_mixture(work: Work, pieces: list[str]) -> None:
    text = "".join(pieces)
    before = per_letter(work, made_of(text, 2_000), 7)
    assert before <= MOST
    assert per_letter(work, made_of(text, 8_000), 7) <= 1.5 * before + 20
