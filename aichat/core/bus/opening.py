"""Running a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from .bus import Bus
from .clock import Clock
from .tasks import plain_task_group


@asynccontextmanager
async def open_bus(drain_seconds: float = 5.0, clock: Clock | None = None) -> AsyncIterator[Bus]:
    """Run a bus. On leaving, let started work finish for *drain_seconds*, then cancel it."""
    bus: Bus | None = None
    try:
        async with plain_task_group() as tasks:
            bus = Bus(tasks, clock or Clock())
            try:
                yield bus
            finally:
                bus._closing = True
            with anyio.move_on_after(drain_seconds):
                await bus.settled()
            tasks.cancel_scope.cancel()
    finally:
        if bus:
            bus._closed = True
