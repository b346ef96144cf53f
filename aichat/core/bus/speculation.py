"""A speculative turn: its events wait behind a barrier until it is committed or revoked."""

from __future__ import annotations

import anyio
from attrs import Factory, define

from aichat.core.events import Event, Turn

HELD = 500
"""Most events behind the barrier; a publisher of one more waits as well."""


@define(eq=False)
class SpeculativeTurn:
    """A speculative turn, and its events in order, which the other subscribers do not have yet."""

    turn: Turn
    held: list[Event] = Factory(list)
    decided: anyio.Event = Factory(anyio.Event)
    """Set when the turn is committed or revoked."""

    @property
    def is_full(self) -> bool:
        """Whether it is over its limit."""
        return len(self.held) > HELD

    async def wait_for_room(self) -> None:
        """Wait until the turn is committed; a publisher of a revoked one is cancelled here."""
        await self.decided.wait()
