"""Sends a client, and only that one, who would answer its draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aichat.core import Bus, Character
from aichat.core.events import SpeakersForeseen
from aichat.web.schemas import server_frames

from .outbox import Connection
from .room import Room


@contextmanager
def draft_previews(bus: Bus, room: Room, session: str, connection: Connection) -> Iterator[None]:
    """Send the client of *session* who would answer its drafts, within the ``with`` block."""

    def preview(event: SpeakersForeseen) -> None:
        if event.writer == session:
            line, ids = describe(event, room.cast), list(event.characters)
            frame = server_frames.Foreseen(number=event.number, speakers=ids, line=line)
            room.send_to(connection, frame)

    listener = bus.tap(preview, conversation=room.conversation)
    try:
        yield
    finally:
        bus.unsubscribe(listener)


def describe(event: SpeakersForeseen, cast: Sequence[Character]) -> str:
    """Return a sentence for people: first names where they are unique, or why nobody answers."""
    names = [_called(who, cast) for id in event.characters for who in cast if who.id == id]
    if not names:
        return event.note
    order = f"{', '.join(names[:-1])}, then {names[-1]}" if len(names) > 1 else names[0]
    return f"Perhaps {order}: the dice decide." if event.perhaps else f"{order} will answer."


def _called(who: Character, cast: Sequence[Character]) -> str:
    first = who.name.split()[0]
    is_only = sum(other.name.split()[0] == first for other in cast) == 1
    return first if is_only else who.name
