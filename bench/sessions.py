"""What a live session costs: CPU for each second of it, and tasks.

Many users talk at once with three characters each (simulated engines, microphones always on: 50
packets a second), in one process without a network. Virtual time makes an hour of it short; the CPU
is real. Prints the CPU for one second of one session; less what the same users cost who send their
packets to a bus on which nobody listens; and less what the engines cost when they are asked for the
same again without aichat. Then tasks, and what lanes gave up.

    python bench/sessions.py [sessions] [minutes]
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from inspect import isawaitable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import anyio
from attrs import define

from aichat.core import BackendFailed, Conversation, closing, load_plugins, open_bus, open_chat
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import AudioReceived
from aichat.core.testing.simulated_backends import SimulatedTts
from aichat.core.testing.simulated_user import SimulatedUser
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.outbox import Connection
from aichat.web.realtime.room import Room
from support.chat import Given, a_store, all_ready
from support.simulated_engines import engines


@define
class Asked:
    """One call of an engine; of a stream, so many *items* were taken."""

    engine: Callable[..., Any]
    args: tuple[Any, ...]
    items: int = 0


@define
class Noting:
    """Stands in for an engine and notes what it is asked for."""

    engine: Any
    calls: list[Asked]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def transcribe(self, *args: Any) -> Any:
        self.calls.append(Asked(self.engine.transcribe, args))
        return await self.engine.transcribe(*args)

    def reply(self, *args: Any) -> AsyncIterator[Any]:
        return self._stream(Asked(self.engine.reply, args))

    def speak(self, *args: Any) -> AsyncIterator[Any]:
        return self._stream(Asked(self.engine.speak, args))

    async def _stream(self, asked: Asked) -> AsyncIterator[Any]:
        self.calls.append(asked)
        async with closing(asked.engine(*asked.args)) as items:
            async for item in items:
                asked.items += 1
                yield item


async def only_engines(sessions: int, calls: list[Asked]) -> float:
    """Return the CPU seconds of the engines alone, as many at once as there are sessions."""

    async def ask(some: list[Asked]) -> None:
        for asked in some:
            if not asked.items:
                with suppress(BackendFailed):
                    answer = asked.engine(*asked.args)
                    await (answer if isawaitable(answer) else answer.aclose())
                continue
            async with closing(asked.engine(*asked.args)) as items:
                for _ in range(asked.items):
                    await anext(items, None)

    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        for number in range(sessions):
            tasks.start_soon(ask, calls[number::sessions])
    return time.process_time() - began


async def measure(
    sessions: int, minutes: float, calls: list[Asked] | None = None
) -> tuple[float, float, float, dict[str, int]]:
    """Return CPU seconds, tasks a session on average and at most, and what was dropped.

    *calls* takes in what the engines were asked for, which costs CPU of its own.
    """
    store = await a_store()
    cast = ["olivia", "mark", "rosa"]
    for number in range(sessions):
        await store.add_conversation(Conversation(f"s{number}", active_characters=cast))
    parts_of = engines(1, 0.0) | {"tts": SimulatedTts(jitter=0.3, max_concurrent=10_000)}
    if calls is not None:
        parts_of |= {name: Noting(parts_of[name], calls) for name in ("stt", "llm", "tts")}
    given = Given(storage=store, **parts_of)
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)
        painter = Painter(environment([]))
        idle = len(anyio.get_running_tasks())
        counts: list[float] = []
        for number in range(sessions):
            room = Room(f"s{number}", bus, parts, painter)
            room.listen()
            room.connections.add(reader(bus, room))

        def look(event: AudioReceived) -> None:
            lanes = sum(len(talk.lanes) for talk in bus._conversations.by_id.values())
            counts.append(lanes / sessions)

        bus.tap(look, conversation="s0")
        gc.collect()
        gc.freeze()
        began = time.process_time()
        async with anyio.create_task_group() as tasks:
            for number in range(sessions):
                user = SimulatedUser(bus, f"s{number}", seed=number)
                tasks.start_soon(user.talk, minutes)
        took = time.process_time() - began
        kept = (len(anyio.get_running_tasks()) - idle) / sessions
        await bus.settled()
    if calls is None:
        print(f"tasks that wait for more work at the end: {kept:.2f} a session")
    return took, sum(counts) / len(counts), max(counts), dict(bus.dropped)


async def only_users(sessions: int, minutes: float) -> float:
    """Return the CPU seconds of the users alone."""
    async with open_bus() as bus:
        began = time.process_time()
        async with anyio.create_task_group() as tasks:
            for number in range(sessions):
                user = SimulatedUser(bus, f"s{number}", types=0, seed=number)
                tasks.start_soon(user.talk, minutes)
        return time.process_time() - began


def reader(bus: object, room: Room) -> Connection:
    """A client that takes each frame as it comes."""
    connection = Connection(True, False, lambda: None)
    connection.frames = Sink()  # type: ignore[assignment]
    return connection


class Sink(list):  # type: ignore[type-arg]
    """Takes frames and keeps none."""

    def append(self, frame: object) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", type=int, nargs="?", default=20)
    parser.add_argument("minutes", type=float, nargs="?", default=3)
    args = parser.parse_args()
    logging.disable(logging.ERROR)
    load_plugins()
    took, mean, most, dropped = run_virtual(measure, args.sessions, args.minutes)
    users = run_virtual(only_users, args.sessions, args.minutes)
    calls: list[Asked] = []
    run_virtual(measure, args.sessions, args.minutes, calls)
    asked = run_virtual(only_engines, args.sessions, calls)
    seconds = args.sessions * args.minutes * 60
    print(f"{args.sessions} sessions of {args.minutes:g} minutes: {took:.2f} s of CPU")
    print(f"CPU a session-second: {1000 * took / seconds:.2f} ms, users and engines included")
    print(f"without the users' own {1000 * (took - users) / seconds:.2f} ms")
    print(f"and without the engines' own {1000 * (took - users - asked) / seconds:.2f} ms")
    print(f"tasks at work: {mean:.2f} a session on average, at most {most:.2f}")
    print(f"given up by full lanes: {dropped or 'nothing'}")


if __name__ == "__main__":
    main()
