"""A turn that may never have been: its events wait behind a barrier until it is certain."""

from __future__ import annotations

import anyio
from attrs import Factory, define

from aichat.core.events import Event, Turn

HELD = 500
"""So many events wait; who publishes more waits as well."""


@define(eq=False)
class Provisional:
    """What happened in such a turn, in order. Only who works ahead has heard of it."""

    turn: Turn
    held: list[Event] = Factory(list)
    decided: anyio.Event = Factory(anyio.Event)
    """The turn was committed or revoked."""

    @property
    def is_full(self) -> bool:
        """One more would be too many."""
        return len(self.held) > HELD

    async def wait_for_room(self) -> None:
        """Wait until the turn is committed; a publisher of a revoked one is cancelled here."""
        await self.decided.wait()
