"""Sends a client the frames in its outbox; a task runs only while there are any."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from attrs import define, field
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from aichat.core.bus.task_pool import TaskPool
from aichat.web.access.refusals import reason

from .outbox import Connection, Frame, Goodbye

log = logging.getLogger(__name__)


@define(eq=False)
class Writer:
    """Writes to one client, in tasks of *crew*, which outlives the client."""

    socket: WebSocket[Any, Any, Any]
    connection: Connection
    crew: TaskPool
    scope: anyio.CancelScope | None = field(init=False, default=None)
    is_over: bool = field(init=False, default=False)

    def begin(self) -> None:
        """Start writing: the outbox has frames."""
        self.crew.start(self.write)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Allow writing within the ``with`` block only."""
        try:
            yield
        finally:
            self.is_over = True
            if self.scope:
                self.scope.cancel()

    async def write(self) -> None:
        """Send frames until the outbox is empty."""
        connection = self.connection
        if self.is_over:
            return
        try:
            with anyio.CancelScope() as self.scope:
                await connection.gather()
                while connection.frames:
                    await self._send(connection.take())
        except (WebSocketDisconnect, RuntimeError, OSError):
            self.is_over = True
            log.debug("a client disconnected while frames were sent")  # the reader ends the rest
        finally:
            self.scope = None
            connection.rest()

    async def _send(self, frame: Frame) -> None:
        if isinstance(frame, Goodbye):
            self.connection.said_farewell = True
            await self.socket.close(frame.code, reason(frame.reason))
        elif isinstance(frame, bytes):
            await self.socket.send_bytes(frame)
        else:
            await self.socket.send_text(frame)
