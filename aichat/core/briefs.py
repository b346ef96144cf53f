"""What a character is told about itself before it answers, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable

from .models import Character


def briefing(character: Character, others: Iterable[str] = ()) -> str:
    """Write a character's system prompt; *others* are the names of who else takes part."""
    names = list(others)
    company = f", {' and '.join(names)}" if names else ""
    return (
        f"{character.system_prompt}\n\n"
        f"You are {character.name}, in a spoken conversation with the user{company}. "
        "Everything you write is read out: answer in a few short spoken sentences, without lists "
        "or headings. Write only your own words, without your name in front, and never write "
        "what somebody else says."
    ).strip()
