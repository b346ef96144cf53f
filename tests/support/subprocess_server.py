"""A real server in a process of its own, which a test may stop in any way.

    python tests/support/subprocess_server.py PORT KIND

It keeps everything in SQLite under AICHAT_DATA, or in the store that STORAGE names. KIND chooses
its engines.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from attrs import define, evolve
from websockets.sync.client import connect

from aichat.core import Prompt, Voice
from aichat.core.testing.fakes import FakeLlm, FakeTts, FakeVad
from aichat.toolkit.weights import Weights, fetched
from support.free_ports import free_port
from support.in_process_server import Client
from support.litestar_command import wait_for

if TYPE_CHECKING:
    from support.remote_stores import FarStore

TEXT = " ".join(f"Here comes sentence number {n}, and it has a second part." for n in range(40))
STORAGE = "AICHAT_TEST_STORAGE"
"""What to use for the part storage, and its settings, as JSON."""
HANG_SECONDS = 60
"""Only so that a test ends."""


class StuckTts(FakeTts):
    """Says one clause, and then hangs in a thread that cannot be cancelled."""

    spoken = 0

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[Any]:
        type(self).spoken += 1
        if self.spoken > 1:
            await anyio.to_thread.run_sync(time.sleep, HANG_SECONDS)
        async for chunk in super().speak(text, voice):
            yield chunk


class StuckLlm(FakeLlm):
    """Writes two sentences, and then hangs in a thread that cannot be cancelled."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        yield "Here comes sentence number 0, and it has a second part. And one more. "
        await anyio.to_thread.run_sync(time.sleep, HANG_SECONDS)


class Blocking(FakeLlm):
    """Blocks the whole event loop after its first sentence for a moment, as bad plug-ins do."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        yield "Here comes sentence number 0, and it has a second part. And one more. "
        while True:
            await anyio.sleep(0.001)
            time.sleep(0.1)  # noqa: ASYNC251


class StuckStart(FakeVad):
    """Hangs in a thread while it starts, as one that fetches or loads its weights may do."""

    async def __aenter__(self) -> StuckStart:
        await anyio.to_thread.run_sync(time.sleep, HANG_SECONDS)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Nothing is left to do."""


class Downloading(FakeVad):
    """Fetches its weights while it starts."""

    async def __aenter__(self) -> Downloading:
        import huggingface_hub

        await fetched(PARROT, huggingface_hub, lambda line: None)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Nothing is left to do."""


PARROT = Weights("parrot", "me/parrot", ("*.bin",), "model.bin")
STEADY = FakeLlm(TEXT, seconds=0.02)
ENGINES: dict[str, dict[str, Any]] = {
    "steady": {"llm": STEADY, "tts": FakeTts(ms_per_word=100, seconds=0.001)},
    "stuck voice": {"llm": STEADY, "tts": StuckTts()},
    "stuck model": {"llm": StuckLlm(), "tts": FakeTts()},
    "stuck start": {"llm": STEADY, "tts": FakeTts(), "vad": StuckStart()},
    "busy": {"llm": Blocking(), "tts": FakeTts()},
    "downloading": {"llm": STEADY, "tts": FakeTts(), "vad": Downloading()},
}


def serve_here(port: int, kind: str) -> None:
    """Serve until a signal comes."""
    from aichat.core import load_plugins
    from aichat.core.registry.config import Part
    from aichat.web.app import Setup, create_app
    from aichat.web.serving.uvicorn_runner import serve
    from support.chat import Given

    given = Given(**ENGINES[kind])
    config = given.config()
    use, tables = json.loads(os.environ[STORAGE]) if STORAGE in os.environ else (["sqlite"], {})
    config = evolve(config, parts={**config.parts, "storage": Part(tuple(use), tables)})
    app = create_app(Setup(config, load_plugins(extra=[given])))
    serve(app.lifecycle, {"app": app, "host": "127.0.0.1", "port": port})


@define
class Process:
    """The server as its clients see it."""

    popen: subprocess.Popen[str]
    port: int
    data: Path
    far: FarStore | None = None

    def stop(self, number: int) -> float:
        """Send a signal; return the seconds until the process was gone."""
        began = time.monotonic()
        self.popen.send_signal(number)
        self.popen.wait(HANG_SECONDS / 2)
        return time.monotonic() - began

    @contextmanager
    def client(self, query: str = "", path: str = "/ws") -> Iterator[Client]:
        url = f"ws://127.0.0.1:{self.port}{path}?{query}"
        with connect(url, proxy=None, compression=None) as connection:
            yield Client(connection)

    def stored(self, conversation: str) -> list[dict[str, Any]]:
        """The messages in the database, in order, whether or not a server runs."""
        if self.far:
            return self.far.stored(conversation)
        with closing(sqlite3.connect(self.data / "aichat.db")) as database:
            database.row_factory = sqlite3.Row
            query = "select * from messages where conversation_id = ? order by seq"
            return [dict(row) for row in database.execute(query, (conversation,))]


@contextmanager
def a_process(kind: str, data: Path, far: FarStore | None = None) -> Iterator[Process]:
    """Run such a server; whatever is left of it in the end is killed."""
    port = free_port()
    storage = {STORAGE: json.dumps([far.part.use, far.part.settings])} if far else {}
    popen = subprocess.Popen(
        [sys.executable, __file__, str(port), kind],
        env={
            **os.environ,
            **storage,
            "AICHAT_DATA": str(data),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", popen)
        yield Process(popen, port, data, far)
    finally:
        popen.send_signal(signal.SIGKILL)
        popen.wait()
        assert popen.stdout
        popen.stdout.close()


if __name__ == "__main__":
    serve_here(int(sys.argv[1]), sys.argv[2])
