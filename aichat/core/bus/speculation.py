"""A speculative turn: its events wait behind a barrier until it is committed or revoked."""

from __future__ import annotations

import anyio
from attrs import Factory, define

from aichat.core.events import Event, Turn

HELD = 500
"""Events that may wait behind the barrier; a publisher of one more waits as well."""


@define(eq=False)
class SpeculativeTurn:
    """What happened in such a turn, in order. Only speculative subscribers have these events."""

    turn: Turn
    held: list[Event] = Factory(list)
    decided: anyio.Event = Factory(anyio.Event)
    """Set when the turn is committed or revoked."""

    @property
    def is_full(self) -> bool:
        """More events wait than may."""
        return len(self.held) > HELD

    async def wait_for_room(self) -> None:
        """Wait until the turn is committed; a publisher of a revoked one is cancelled here."""
        await self.decided.wait()
