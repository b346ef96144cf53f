"""System prompt and model settings of a character, for the chat and for try-outs alike."""

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
"""Settings of a language model, and their types."""


def briefing(character: Character, others: Iterable[str] = ()) -> str:
    """Return a character's system prompt; *others* are the names of the other participants."""
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
    """Return the model settings of *character*: its own ones, else those given.

    Its own are its model and temperature, and the others in ``extensions["llm"]``. Values of the
    wrong type there are ignored: any client may write extensions.
    """
    free = character.extensions.get("llm")
    own = dict(free) if isinstance(free, Mapping) else {}
    own |= {"model": character.model, "temperature": character.temperature}
    return {
        name: fitting[0]
        for name, kind in SETTINGS.items()
        if (fitting := [some[name] for some in (own, settings) if _fits(some.get(name), kind)])
    }


def _fits(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and value not in ("", [], ())
