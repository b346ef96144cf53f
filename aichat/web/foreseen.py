"""Who would answer, as a line for people."""

from __future__ import annotations

from collections.abc import Sequence

from aichat.core import Character
from aichat.core.events import SpeakersForeseen


def foreseen_line(event: SpeakersForeseen, cast: Sequence[Character]) -> str:
    """Say it with first names where they tell the cast apart; nobody: say why."""
    names = [_called(who, cast) for id in event.characters for who in cast if who.id == id]
    if not names:
        return event.note
    order = f"{', '.join(names[:-1])}, then {names[-1]}" if len(names) > 1 else names[0]
    return f"Perhaps {order}: the dice decide." if event.perhaps else f"{order} will answer."


def _called(who: Character, cast: Sequence[Character]) -> str:
    first = who.name.split()[0]
    is_only = sum(other.name.split()[0] == first for other in cast) == 1
    return first if is_only else who.name
