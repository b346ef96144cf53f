"""The TTS scheduler: of all clauses that wait for the voice engine, earliest deadline first."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
from attrs import Factory, define, field

Deadline = tuple[float, int, int]
"""When a clause is needed (s of the bus clock), its line's place, its index; sooner is smaller."""

_arrivals = count()


@define(order=True)
class WaitingClause:
    """A clause that waits for a slot."""

    deadline: Deadline
    arrival: int = Factory(lambda: next(_arrivals))
    woken: anyio.Event = field(factory=anyio.Event, order=False)


class TtsScheduler:
    """A semaphore of *free* slots that admits the earliest deadline first.

    A slot that comes free is not handed over at once: the line that gave it back asks for its next
    clause within a turn of the loop, and that may be needed sooner than what waits. Nobody owns a
    slot without knowing it, so a cancellation at any moment loses none.
    """

    def __init__(self, free: int) -> None:
        self.free = free
        self._waiting: list[WaitingClause] = []

    @asynccontextmanager
    async def slot(self, deadline: Deadline) -> AsyncIterator[None]:
        """Hold a slot for the length of the block."""
        await self._acquire(deadline)
        try:
            yield
        finally:
            self.free += 1
            self._wake()

    async def _acquire(self, deadline: Deadline) -> None:
        if self.free and (not self._waiting or deadline < self._waiting[0].deadline):
            self.free -= 1
            return
        waiting = WaitingClause(deadline)
        heapq.heappush(self._waiting, waiting)
        try:
            await self._wait_for_slot(waiting)
            self.free -= 1
        finally:
            self._waiting.remove(waiting)
            heapq.heapify(self._waiting)
            self._wake()

    async def _wait_for_slot(self, waiting: WaitingClause) -> None:
        """Return when there is a slot that no earlier deadline claims."""
        while True:
            await waiting.woken.wait()
            await anyio.lowlevel.checkpoint()  # the line that gave the slot back may ask before us
            if self.free and self._waiting[0] is waiting:
                return
            waiting.woken = anyio.Event()
            self._wake()

    def _wake(self) -> None:
        """Have the first look whether there is a slot."""
        if self.free and self._waiting:
            self._waiting[0].woken.set()
