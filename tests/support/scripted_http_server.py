"""A server that answers as it is scripted to, byte by byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import ByteStream
from attrs import define, field

Answer = tuple[int, dict[str, str], Sequence[bytes]]
"""Status, headers, and the pieces of the body; the connection ends with them."""


@define
class RawServer:
    """Answers each request with what *answer* makes of its body."""

    answer: Callable[[dict[str, Any]], Answer]
    holds: bool = False
    """It keeps the connection when all is sent."""
    port: int = 0
    requests: list[dict[str, Any]] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, stream: ByteStream) -> None:
        async with stream:
            try:
                self.requests.append(await _body(stream))
                status, headers, pieces = self.answer(self.requests[-1])
                head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                await stream.send(
                    f"HTTP/1.1 {status} X\r\n{head}connection: close\r\n\r\n".encode()
                )
                for piece in pieces:
                    await stream.send(piece)
                while self.holds:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return


async def _body(stream: ByteStream) -> dict[str, Any]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0].partition(b":")[2]):
        body += await stream.receive()
    read: dict[str, Any] = json.loads(body)
    return read


@asynccontextmanager
async def open_raw(
    answer: Callable[[dict[str, Any]], Answer], holds: bool = False
) -> AsyncIterator[RawServer]:
    """Serve on a free port until the block ends."""
    server = RawServer(answer, holds)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.handle)
        yield server
        tasks.cancel_scope.cancel()


SSE = {"content-type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


def event(choice: dict[str, Any], **more: Any) -> bytes:
    """One chunk as a server-sent event."""
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}], **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def says(text: object, finish: object = None) -> bytes:
    """A chunk with a piece of the text."""
    return event({"delta": {"content": text}, "finish_reason": finish})


def streamed(*pieces: bytes) -> Answer:
    return 200, SSE, pieces


def hello() -> Answer:
    return streamed(says("Hello!"), says("", "stop"), DONE)


def refused(status: int, message: object, **headers: str) -> Answer:
    """An error in the form of most servers, or *message* itself as the body."""
    body = {"error": {"code": status, "message": message}} if isinstance(message, str) else message
    kind = {"content-type": "application/json"}
    return status, {**kind, **headers}, [json.dumps(body).encode()]
