"""Nothing is served before a typed message would be answered; and nothing waits for ever."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from aichat.core import CannotStart, Parts
from aichat.core.registry.selection import Candidate, Role, run_parts
from aichat.core.testing.fakes import FakeLlm
from aichat.web.serving import download_log
from aichat.web.serving.download_log import until_answerable
from support.free_ports import free_port
from support.in_process_server import a_server
from support.litestar_command import LITESTAR, environment

pytestmark = pytest.mark.anyio


class Slow(FakeLlm):
    """Starts when it is let; *report* says how it gets on meanwhile."""

    report: Callable[[str], None]

    def __init__(self, detail: str = "") -> None:
        super().__init__()
        self.let, self.begun, self.detail = anyio.Event(), anyio.Event(), detail

    async def __aenter__(self) -> Slow:
        if self.detail:
            self.report(self.detail)
        self.begun.set()
        await self.let.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def failing() -> object:
    raise CannotStart("No key.", "Set it.")


Waiting = tuple[Parts, anyio.Event, list[str]]


@asynccontextmanager
async def waiting(
    *makes: Callable[[], object],
) -> AsyncIterator[tuple[Parts, anyio.Event, list[str]]]:
    """Let these play the language model, and wait for them; what is over notes itself."""
    candidates: Sequence[Candidate] = [
        Candidate("llm", f"llm {number}", make) for number, make in enumerate(makes)
    ]
    parts, hurry, over = Parts({"llm": Role("llm", candidates)}), anyio.Event(), list[str]()

    async def wait() -> None:
        await until_answerable(parts, hurry)
        over.append("over")

    async with run_parts(parts), anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        yield parts, hurry, over
        with anyio.fail_after(30):
            while not over:
                await anyio.lowlevel.checkpoint()
    assert parts.watchers == []


async def rounds() -> None:
    """Let all that can go on do so."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


async def test_the_first_model_that_serves_is_waited_for() -> None:
    slow, slower = Slow(), Slow()
    async with waiting(lambda: slower, failing, lambda: slow) as (_, _, over):
        await slow.begun.wait()
        await rounds()
        assert over == []
        slow.let.set()
    assert not slower.let.is_set()


async def test_nobody_waits_when_all_have_failed() -> None:
    async with waiting(failing, failing) as (parts, _, _):
        pass
    assert "No key." in parts.roles["llm"].reasons()


async def test_a_download_is_not_waited_for_but_a_start_beside_it_is() -> None:
    slow = Slow()
    async with waiting(lambda: Slow("weights: 3 of 900 MB"), lambda: slow) as (_, _, over):
        await slow.begun.wait()
        await rounds()
        assert over == []
        slow.let.set()
    async with waiting(lambda: Slow("weights: 3 of 900 MB"), failing):
        pass


async def test_a_hurry_and_the_longest_wait_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with waiting(Slow) as (_, hurry, over):
        await rounds()
        assert over == []
        hurry.set()
    monkeypatch.setattr(download_log, "START_SECONDS", 0.01)
    async with waiting(Slow):
        pass


def test_health_and_a_typed_message_are_answered_from_the_same_moment() -> None:
    let = threading.Event()

    class Later(FakeLlm):
        async def __aenter__(self) -> Later:
            await anyio.to_thread.run_sync(let.wait)
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

    answers: list[Any] = []

    def serve() -> None:
        with a_server(llm=Later()) as server:
            answers.append(httpx.get(f"{server.url}/health", trust_env=False).status_code)
            with server.client("") as client:
                client.until("ready")
                client.send("text_message", text="Hello!")
                answers.append(client.until("text_chunk")["type"])

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(1.0)
    assert answers == []
    let.set()
    thread.join(60)
    assert answers == [200, "text_chunk"]


SLOW_PLUGIN = """
import anyio
from aichat.core import Backend, hookimpl

class Slow:
    async def __aenter__(self):
        await anyio.sleep(600)
    async def __aexit__(self, *_):
        return None

@hookimpl
def llm_backend():
    return Backend("slow", Slow)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_waits_ends_on_a_signal(tmp_path: Path, end: int) -> None:
    (tmp_path / "slow_model.py").write_text(SLOW_PLUGIN)
    info = tmp_path / "slow_model-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-model\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[aichat]\nslow = slow_model\n")
    (tmp_path / "plugins.toml").write_text('[llm]\nuse = "slow"\n[stt]\nuse = "pocketsphinx"\n')
    port = free_port()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [LITESTAR, "run"],
        cwd=tmp_path,
        env=environment(tmp_path, PORT=str(port), PYTHONPATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        made = tmp_path / "data" / "aichat.db-made"
        while not made.exists():
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.05)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        process.send_signal(end)
        said, _ = process.communicate(timeout=50)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in said
