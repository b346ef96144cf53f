"""A real aichat server on a free port of this process, with backends that a test hands over."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from attrs import define, evolve, field
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from aichat.core import WebConfig, load_plugins
from aichat.core.registry.config import Part
from aichat.web.app import Setup, create_app
from aichat.web.realtime.audio_frames import HEADER
from aichat.web.serving.uvicorn_runner import SETTINGS
from support.chat import AT_EASE, Given, a_store


@define
class Client:
    """A WebSocket client that reads frames as a program would."""

    connection: ClientConnection
    seen: list[Any] = field(factory=list)

    def send(self, type_: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": type_, **fields}))

    def receive(self, timeout: float = 60) -> Any:
        """The next frame: a dict, or for binary audio the header's fields and the PCM."""
        frame = self.connection.recv(timeout)
        if isinstance(frame, bytes):
            message: Any = (*HEADER.unpack_from(frame), frame[HEADER.size :])
        else:
            message = json.loads(frame)
        self.seen.append(message)
        return message

    def until(self, type_: str, timeout: float = 60) -> dict[str, Any]:
        """Read until a text frame of a type comes."""
        end = time.monotonic() + timeout
        while True:
            message = self.receive(max(0.01, end - time.monotonic()))
            if isinstance(message, dict) and message["type"] == type_:
                return message

    def until_quiet(self, seconds: float = 0.3) -> None:
        """Read until nothing comes for a while."""
        try:
            while True:
                self.receive(seconds)
        except TimeoutError:
            return

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [m for m in self.seen if isinstance(m, dict) and m["type"] == type_]


@define
class Server:
    port: int
    store: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def client(self, query: str = "conversation_id=c", **how: Any) -> Iterator[Client]:
        url = f"ws://127.0.0.1:{self.port}/ws?{query}"
        with connect(url, proxy=None, compression=None, **how) as connection:
            yield Client(connection)


@contextmanager
def a_server(
    web: WebConfig = AT_EASE,
    plugins: Sequence[object] = (),
    host: str = "127.0.0.1",
    disable: Sequence[str] = (),
    parts: Mapping[str, Part] | None = None,
    **backends: Any,
) -> Iterator[Server]:
    """Serve until the block ends. *web* is the table [web].

    *plugins* come beside the backends; *disable* keeps built-in ones out. *parts* are played as in
    plugins.toml, not by what the test hands over.
    """
    backends.setdefault("storage", anyio.run(a_store))
    given = Given(**backends)
    config = given.config(web)
    config = evolve(config, parts={**config.parts, **(parts or {})})
    app = create_app(Setup(config, load_plugins(disable, [given, *plugins])))
    listener = socket.create_server((host, 0))
    server = uvicorn.Server(uvicorn.Config(app, **SETTINGS))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield Server(listener.getsockname()[1], backends["storage"])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def closed_by(client: Client) -> tuple[int, str]:
    """Read until the server closes; return its code and reason."""
    with pytest.raises(ConnectionClosed) as closed:
        client.until("never")
    assert closed.value.rcvd
    return closed.value.rcvd.code, closed.value.rcvd.reason


def get(server: Server, path: str = "/", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(server.url + path, headers=named, trust_env=False)
