"""How long the REST API takes, beside a bare Litestar handler that returns the same bytes.

    python bench/api.py

Each server is a process of its own on a free port, on SQLite in a fresh folder. Printed: the median
and the 95th percentile of one client's requests, one after the other, in rounds that take turns.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
from litestar import Litestar, Response, get

CHARACTERS = 1_000
MESSAGES = 100_000
ROUNDS = 8
REQUESTS = 25
"""In a round."""
CONVERSATIONS = {"empty": f"{1:032x}", "full": f"{2:032x}"}

SETTINGS = """
[vad]
use = ["silero"]
[turn]
use = ["silence"]
[stt]
use = ["pocketsphinx"]
[llm]
use = ["demo"]
[tts]
use = ["espeak"]
[sequencer]
use = ["in_order"]
[storage]
use = ["sqlite"]
[web]
max_requests_per_s = 100000
"""


async def fill(path: Path) -> None:
    """A thousand characters with prompts of a usual length, and two conversations."""
    from uuid import UUID

    from aichat.core import Character, Conversation, Message, new_id
    from aichat.plugins.sqlite.store import Sqlite

    async with Sqlite(str(path)) as store:
        for number in range(CHARACTERS):
            name = f"Character {number}"
            await store.add_character(Character("", name, "You are kind. " * 40, greeting="Hi."))
        empty, full = (str(UUID(id)) for id in CONVERSATIONS.values())
        for id in (empty, full):
            await store.add_conversation(Conversation(id))
        for start in range(0, MESSAGES, 1_000):
            said = (f"Message {n} about tea and cake." for n in range(start, start + 1_000))
            await store.add_messages([Message(new_id(), full, "user", text) for text in said])


def serve_aichat(port: int, folder: str) -> None:
    """Serve the application."""
    Path(folder, "plugins.toml").write_text(SETTINGS)
    os.environ |= {"AICHAT_CONFIG": f"{folder}/plugins.toml", "AICHAT_DATA": folder}
    import uvicorn

    from aichat.web.app import create_app
    from aichat.web.serving.uvicorn_runner import SETTINGS as UVICORN

    uvicorn.run(create_app(), port=port, **UVICORN)


def serve_bytes(port: int, body: bytes) -> None:
    """Serve the same bytes, with nothing behind them."""
    import uvicorn

    @get("/api/characters", sync_to_thread=False)
    def same() -> Response[bytes]:
        return Response(body, media_type="application/json")

    uvicorn.run(Litestar([same], openapi_config=None), port=port, log_level="warning")


@contextmanager
def serving(serve: Callable[..., None], *arguments: object) -> Iterator[http.client.HTTPConnection]:
    """A server in a process of its own, and a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, *arguments))
    process.start()
    try:
        yield connected(port)
    finally:
        process.terminate()
        process.join()


def connected(port: int) -> http.client.HTTPConnection:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.connect()
        except OSError:
            time.sleep(0.1)
        else:
            return connection
    sys.exit("the server did not start")


def request(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return body


def timed(connection: http.client.HTTPConnection, path: str) -> float:
    begun = time.perf_counter()
    request(connection, path)
    return (time.perf_counter() - begun) * 1_000


def report(what: str, times: list[float]) -> float:
    middle = statistics.median(times)
    print(f"{what:58} p50 {middle:7.2f} ms   p95 {statistics.quantiles(times, n=20)[18]:7.2f} ms")
    return middle


def compared(pairs: dict[str, tuple[http.client.HTTPConnection, str]]) -> list[float]:
    """Time each, in turns, so that what else the machine does falls on all alike."""
    times: dict[str, list[float]] = {what: [] for what in pairs}
    for _ in range(ROUNDS):
        for what, (connection, path) in pairs.items():
            timed(connection, path)
            times[what] += [timed(connection, path) for _ in range(REQUESTS)]
    return [report(what, taken) for what, taken in times.items()]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="aichat-bench-") as folder:
        anyio.run(fill, Path(folder, "aichat.db"))
        with serving(serve_aichat, folder) as aichat:
            listing = request(aichat, "/api/characters")
            print(f"{CHARACTERS} characters, {len(listing) / 1e6:.2f} MB")
            with serving(serve_bytes, listing) as bare:
                ours, theirs = compared(
                    {
                        "GET /api/characters": (aichat, "/api/characters"),
                        "  a bare handler, the same bytes": (bare, "/api/characters"),
                    }
                )
                print(f"  ratio {ours / theirs:.1f}, difference {ours - theirs:.2f} ms")
            recent = "/api/messages/recent?n=50&conversation_id="
            empty, full = compared(
                {
                    f"GET /api/messages/recent, {name}": (aichat, recent + id)
                    for name, id in CONVERSATIONS.items()
                }
            )
            print(f"  {MESSAGES} messages beside none: ratio {full / empty:.1f}")


if __name__ == "__main__":
    main()
