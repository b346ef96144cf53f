"""A TCP proxy on this machine whose faults a test switches while streams are running."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute
from attrs import Factory, define

LOST = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@define
class FaultProxy:
    """What it does to the bytes that come from the server."""

    port: int
    """Where the server listens."""
    own_port: int = 0
    slice: int = 65_536
    """So many bytes are passed on at once."""
    cut_after: int | None = None
    """The connection is lost after so many bytes,"""
    stall_after: int | None = None
    """or nothing more comes, and it stays open."""
    corrupt: float = 0.0
    """How likely each piece has a wrong byte."""
    random: random.Random = Factory(lambda: random.Random(1))
    lost: anyio.Event = Factory(anyio.Event)
    """A client has gone while the proxy stalled."""

    async def handle(self, client: ByteStream) -> None:
        try:
            server = await anyio.connect_tcp("127.0.0.1", self.port)
        except OSError:
            await anyio.aclose_forcefully(client)
            return
        async with client, server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask, client, server, tasks.cancel_scope)
            await self._answer(server, client)
            tasks.cancel_scope.cancel()

    async def _ask(self, client: ByteStream, server: ByteStream, all: anyio.CancelScope) -> None:
        try:
            while True:
                await server.send(await client.receive())
        except LOST:
            self.lost.set()
            all.cancel()

    async def _answer(self, server: ByteStream, client: ByteStream) -> None:
        passed = 0
        try:
            while True:
                data = await server.receive(self.slice)
                if self.stall_after is not None and passed + len(data) > self.stall_after:
                    await client.send(data[: self.stall_after - passed])
                    await anyio.sleep_forever()
                if self.cut_after is not None and passed + len(data) > self.cut_after:
                    await client.send(data[: self.cut_after - passed])
                    return
                passed += len(data)
                await client.send(self._spoilt(data))
        except LOST:
            return

    def _spoilt(self, data: bytes) -> bytes:
        if self.random.random() >= self.corrupt:
            return data
        place = self.random.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@asynccontextmanager
async def open_proxy(port: int) -> AsyncIterator[FaultProxy]:
    """Pass on to the server at *port* until the block ends."""
    proxy = FaultProxy(port)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    proxy.own_port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.handle)
        yield proxy
        tasks.cancel_scope.cancel()
