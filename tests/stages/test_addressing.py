"""Who answers (contract 4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import Character
from aichat.plugins.answering.addressing import addressed

CAST = [
    Character("o", "Olivia Barns"),
    Character("m", "Mark Chen"),
    Character("r", "Rosa Álvarez-Ruiz"),
    Character("j", "Mary-Jane Chen"),
]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("what do you think?", "omrj"),
        ("@Mark @Olivia hi", "mo"),
        ("@olivia barns hi", "o"),
        ("@Rosa, and Mark too", "r"),
        ("@everyone listen", "omrj"),
        ("@all of you", "omrj"),
        ("MARK, what about Olivia?", "mo"),
        ("Olivia's idea was good", "o"),
        ("remarkable bargains", "omrj"),
        ("Chen, please", "mj"),
        ("Mark Chen, please", "mj"),
        ("hold on, Álvarez-Ruiz", "r"),
        ("write to mark@example.org", "omrj"),
        ("@nobody there", "omrj"),
        ("Mary-Jane?", "j"),
        ("", "omrj"),
    ],
)
def test_who_is_addressed_answers(text: str, who: str) -> None:
    assert "".join(character.id for character in addressed(text, CAST)) == who


@given(st.text())
def test_somebody_answers_whatever_is_said(text: str) -> None:
    speakers = addressed(text, CAST)
    assert speakers
    assert len({who.id for who in speakers}) == len(speakers)


@given(st.permutations(CAST).flatmap(lambda cast: st.tuples(st.just(cast), st.integers(1, 4))))
def test_mentions_with_an_at_answer_exactly_in_that_order(
    drawn: tuple[list[Character], int],
) -> None:
    cast, count = drawn
    names = ["@" + who.name.split()[0] for who in cast[:count]]
    assert addressed(" ".join(names), CAST) == cast[:count]


def test_nobody_answers_in_an_empty_room() -> None:
    assert addressed("hello", []) == []
