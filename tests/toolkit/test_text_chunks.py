"""Long texts in pieces."""

from __future__ import annotations

import pytest

from aichat.toolkit.voices.text_chunks import pieces


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
