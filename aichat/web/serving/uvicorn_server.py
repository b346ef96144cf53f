"""uvicorn's server, which starts and stops as aichat does."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

import uvicorn

from . import shutdown
from .start_message import say_address
from .startup_state import Lifecycle


class Server(uvicorn.Server):
    """Prints its address, interrupts live turns before it stops, and ends on time."""

    def __init__(self, config: uvicorn.Config, life: Lifecycle) -> None:
        super().__init__(config)
        self.life = life
        self.loop: asyncio.AbstractEventLoop | None = None
        self.exit_code = 0
        self.signals = 0
        life.when_stored = self.end_soon

    def end_soon(self) -> None:
        """End the process unless it ends by itself."""
        shutdown.end_soon(self.exit_code)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address."""
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            say_address(self.config, sockets, self.life.keyring)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Disconnect clients, then stop."""
        if self.life.state:
            await shutdown.begin(self.life.state)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal, also while backends start."""
        self.signals += 1
        if self.signals == 2:
            return  # it is ending already, and what was heard is being stored
        self.exit_code = 0 if sig == signal.SIGINT else 128 + sig
        super().handle_exit(sig, frame)
        if self.loop and self.life.hurry:
            self.loop.call_soon_threadsafe(self.life.hurry.set)  # ends the wait for the start
