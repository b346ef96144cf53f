"""One timer for all connections: disconnects clients that have sent nothing for too long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio
from attrs import define, field

from aichat.core import Clock


class Watched(Protocol):
    """A connection that can be closed for being idle."""

    received_at: float
    """When its last frame was handled, in seconds of the clock; infinite during handling."""

    def disconnect(self, code: int, reason: str) -> None:
        """Close the connection with a WebSocket close code."""
        ...


@define(eq=False)
class IdleTimeout:
    """Disconnects clients that have sent nothing for *seconds*."""

    seconds: float
    clock: Clock
    connections: set[Watched] = field(factory=set)
    _came: anyio.Event = field(factory=anyio.Event)

    @contextmanager
    def watched(self, connection: Watched) -> Iterator[None]:
        """Watch a connection within the ``with`` block."""
        self.connections.add(connection)
        self._came.set()
        try:
            yield
        finally:
            self.connections.discard(connection)

    async def watch(self) -> None:
        """Disconnect idle clients for ever; sleeps until the first connection may be due."""
        while True:
            if not self.connections:
                self._came = anyio.Event()
                await self._came.wait()
            now = self.clock.now()
            due = min((one.received_at for one in self.connections), default=now) + self.seconds
            await anyio.sleep(min(due - now, self.seconds))
            self._disconnect_idle(self.clock.now())

    def _disconnect_idle(self, now: float) -> None:
        for connection in [
            one for one in self.connections if one.received_at + self.seconds <= now
        ]:
            self.connections.discard(connection)
            connection.disconnect(1008, f"Silent for {self.seconds:g} s: send audio, or a ping.")
