"""A client's session: lasts over its connections, so that it can resume after a lost one."""

from __future__ import annotations

from collections.abc import Container

from attrs import define, field

from aichat.core import new_id

from .replay_buffer import Place

LINGER_SECONDS = 60.0
"""How long a session waits for a client that left, and how long an empty room stays open."""


@define(eq=False)
class Session:
    """One client. *played* is the position of its loudspeaker."""

    id: str
    played: Place | None = None
    visits: int = 0
    """Open connections; a dead one may not have been noticed yet."""
    left_at: float = 0.0
    """When its last connection ended, in seconds of the bus's clock."""
    received: int = 0
    """The last event up to which it is known to have all frames."""

    def leave(self, now: float, received: int) -> None:
        """Note that a connection ended."""
        self.visits -= 1
        self.left_at, self.received = now, received

    def is_over(self, now: float) -> bool:
        """Return whether the client can no longer resume."""
        return not self.visits and now - self.left_at > LINGER_SECONDS


@define(eq=False)
class Sessions:
    """The clients that are in a conversation, or were within the last minute."""

    by_id: dict[str, Session] = field(factory=dict)

    def enter(
        self, id: str | None, last_event_id: str, kept: Container[int], now: float
    ) -> tuple[Session, bool]:
        """Return a client's session, and whether it resumes an earlier one.

        It can resume if all events after its *last_event_id* are *kept*.
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
        """Return the position that all loudspeakers have reached; None if one has not reported."""
        places = [one.played for one in self.by_id.values()]
        known = [place for place in places if place is not None]
        return min(known) if known and len(known) == len(places) else None
