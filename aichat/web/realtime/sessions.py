"""Clients, however often each of them connects: who is here, and who may come back."""

from __future__ import annotations

from collections.abc import Container

from attrs import define, field

from aichat.core import new_id

from .replay_buffer import Place

LINGER_SECONDS = 60.0
"""A client that left is waited for so long, and an empty room stays."""


@define(eq=False)
class Session:
    """One client. *played* is how far its loudspeaker got."""

    id: str
    played: Place | None = None
    visits: int = 0
    """Connections that are open; a dead one may not have been noticed yet."""
    left_at: float = 0.0
    """When it was last here, on the bus clock."""
    received: int = 0
    """It has all frames up to this event, as far as we know."""

    def leave(self, now: float, received: int) -> None:
        """A connection ended."""
        self.visits -= 1
        self.left_at, self.received = now, received

    def is_over(self, now: float) -> bool:
        """It is not waited for any longer."""
        return not self.visits and now - self.left_at > LINGER_SECONDS


@define(eq=False)
class Sessions:
    """Who is in a conversation, or was within the last minute."""

    by_id: dict[str, Session] = field(factory=dict)

    def enter(
        self, id: str | None, last_event_id: str, kept: Container[int], now: float
    ) -> tuple[Session, bool]:
        """Return a client's session, and whether it goes on with one of before.

        That needs its *last_event_id* to be one after which all events are *kept*.
        """
        self.by_id = {key: one for key, one in self.by_id.items() if not one.is_over(now)}
        is_number = last_event_id.isascii() and last_event_id.isdecimal()
        known = self.by_id.get(id or "") if is_number and len(last_event_id) < 16 else None
        if known is None or int(last_event_id) not in kept:
            known, resumed = Session(new_id()), False
        else:
            resumed = True
        self.by_id[known.id] = known
        known.visits += 1
        return known, resumed

    def played_by_all(self) -> Place | None:
        """Return what every loudspeaker has played; None while one has not told."""
        places = [one.played for one in self.by_id.values()]
        known = [place for place in places if place is not None]
        return min(known) if known and len(known) == len(places) else None
