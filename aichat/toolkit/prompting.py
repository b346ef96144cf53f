"""What a character is told about itself, and how its model is asked, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aichat.core.models import Character

SETTINGS: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "temperature": (int, float),
    "max_tokens": int,
    "top_p": (int, float),
    "stop": (list, tuple),
}
"""What a model can be told beside messages, and of which type it is."""


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


def asked_with(character: Character, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how *character*'s model is asked: by its own settings, else by those given.

    Its own are its model and temperature, and the others in ``extensions["llm"]``. What is of the
    wrong type there is left out: programs of all kinds write extensions.
    """
    free = character.extensions.get("llm")
    own = dict(free) if isinstance(free, Mapping) else {}
    own |= {"model": character.model, "temperature": character.temperature}
    return {
        name: fitting[0]
        for name, kind in SETTINGS.items()
        if (fitting := [told[name] for told in (own, settings) if _fits(told.get(name), kind)])
    }


def _fits(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and value not in ("", [], ())
