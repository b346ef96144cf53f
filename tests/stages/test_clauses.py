"""Text into clauses, clauses into what is read out."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aichat.plugins.answering.clauses import LONGEST, Clauses
from aichat.plugins.answering.speakable import speakable

PIECES = st.sampled_from(
    [
        *"abc XYZ,.!?;:\n…",
        "Mr. ",
        "3.5",
        "。",
        "」",
        "*",
        "**",
        "`",
        "http://x.io/a.b ",
        "👍🏽",
        "שלום",
        "word ",
    ]
)
TEXTS = st.lists(PIECES, max_size=80).map("".join) | st.text(max_size=300)


def chunked(text: str, cuts: list[int]) -> list[str]:
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(text[at : at + cut])
        at += cut
    return [*pieces, text[at:]]


def clauses_of(pieces: list[str]) -> list[str]:
    clauses = Clauses()
    return [clause for piece in pieces for clause in clauses.feed(piece)] + clauses.flush()


@given(TEXTS, st.lists(st.integers(1, 9), max_size=60))
@example("x" * (LONGEST + 1) + ". Then more.", [1] * 60)
def test_any_chunking_gives_the_same_clauses_which_joined_are_the_text(
    text: str, cuts: list[int]
) -> None:
    whole = clauses_of([text])
    assert "".join(whole) == text
    assert clauses_of(chunked(text, cuts)) == whole
    assert clauses_of(list(text)) == whole
    assert all(whole)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Hello there! How are you?", ["Hello there! ", "How are you?"]),
        (
            "Well, to be honest, I like tea, coffee and milk.",
            ["Well, to be honest, ", "I like tea, coffee and milk."],
        ),
        (
            "Mr. Chen met Dr. Barns at 3.30 p.m. today.",
            ["Mr. Chen met Dr. Barns at 3.30 p.m. today."],
        ),
        ('She said "No." Then she left.', ['She said "No." ', "Then she left."]),
        ("Wait... what? Yes!", ["Wait... ", "what? ", "Yes!"]),
        ("See https://example.org/a.b?c=d. Good.", ["See https://example.org/a.b?c=d. ", "Good."]),
        ("你好。你怎么样？", ["你好。", "你怎么样？"]),
        ("one\ntwo\n\nthree", ["one\n", "two\n\n", "three"]),
        ("", []),
    ],
)
def test_clauses_end_where_a_speaker_would_pause(text: str, clauses: list[str]) -> None:
    assert clauses_of([text]) == clauses


def test_a_text_without_punctuation_is_cut_between_words() -> None:
    parts = clauses_of(["word " * 100])
    assert all(len(part) <= LONGEST and part.endswith(" ") for part in parts)


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("**Really** _nice_, isn't it?", "Really nice, isn't it?"),
        ("*waves* Hello! *sits down*", "Hello!"),
        ("*waves*", ""),
        ("Look at [the site](https://x.org) now", "Look at the site now"),
        ("Try `make run` first", "Try make run first"),
        ("```\ncode = 1\n``` Done.", "Done."),
        ("# Title\n- one\n- two", "Title one two"),
        ("Nice 👍🏽 work 🎉!", "Nice work !"),
        ("<b>bold</b> https://www.example.org/page", "bold example.org"),
        ("5 * 3 is 15, 2 < 3", "5 3 is 15, 2 3"),
        ("snake_case_name stays", "snake_case_name stays"),
        ("…", ""),
        ("שלום עולם", "שלום עולם"),
    ],
)
def test_mark_up_emoji_and_stage_directions_are_not_read_out(shown: str, read: str) -> None:
    assert speakable(shown) == read


@given(TEXTS)
def test_what_is_read_out_is_clean_or_nothing(text: str) -> None:
    said = speakable(text)
    assert said == said.strip()
    assert not said or any(c.isalnum() for c in said)
    assert "*" not in said
    assert "`" not in said
