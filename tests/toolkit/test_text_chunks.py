"""Long texts in pieces."""

from __future__ import annotations

import pytest

from aichat.toolkit.voices.text_chunks import pieces, spans


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two! Three?", ["One. Two!", "Three?"]),
        ('"One..." Two.', ['"One..."', "Two."]),
        ("a.b.c and so on", ["a.b.c and", "so on"]),
        ("..........", [".........."]),
        ("x" * 25, ["x" * 10, "x" * 10, "x" * 5]),
    ],
)
def test_a_text_is_cut_at_the_ends_of_sentences(text: str, cut: list[str]) -> None:
    assert list(pieces(text, 10)) == cut


def test_places_of_chunks_are_those_of_the_text():
    text = "  One sentence.   Another one, longer than that.  End. "
    assert [text[start:end] for start, end in spans(text, 20)] == [
        "One sentence.",
        "Another one, longer",
        "than that.  End.",
    ]
