"""What a card proposes, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

TITLES = {
    "model": "Its own model",
    "temperature": "Its own temperature",
    "tools": "Tools",
    "llm": "Limits of its replies",
}
LONGEST = 300


@frozen
class Proposal:
    """One proposal: its *name* in the form, a *title*, and what it would be, in *words*."""

    name: str
    title: str
    words: str


def described(proposals: Mapping[str, Any]) -> list[Proposal]:
    """Describe them, in the order in which they matter."""
    return [
        Proposal(name, title, _words(proposals[name]))
        for name, title in TITLES.items()
        if name in proposals
    ]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name} {_words(one)}" for name, one in value.items() if one is not None]
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
