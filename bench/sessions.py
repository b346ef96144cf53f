"""What a live session costs: CPU for each second of it, and tasks.

Many users talk at once with three characters each (simulated engines, microphones always on: 50
packets a second), in one process without a network. Virtual time makes an hour of it short; the CPU
is real. Prints the CPU for one second of one session, less what the same users cost who send their
packets to a bus on which nobody listens; tasks; and what lanes gave up.

    python bench/sessions.py [sessions] [minutes]
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import anyio
from chat import Given, a_store, all_ready
from talking import engines

from aichat.core import Conversation, load_plugins, open_bus, open_chat
from aichat.core.events import AudioReceived
from aichat.core.testing.simulated import SimulatedTts
from aichat.core.testing.simulated_user import SimulatedUser
from aichat.core.testing.virtual import run_virtual
from aichat.web.outbox import Connection
from aichat.web.room import Room
from aichat.web.templating import environment
from aichat.web.views import Painter


async def measure(sessions: int, minutes: float) -> tuple[float, float, float, dict[str, int]]:
    """Return CPU seconds, tasks a session on average and at most, and what was dropped."""
    store = await a_store()
    cast = ["olivia", "mark", "rosa"]
    for number in range(sessions):
        await store.add_conversation(Conversation(f"s{number}", active_characters=cast))
    parts_of = engines(1, 0.0) | {"tts": SimulatedTts(jitter=0.3, max_concurrent=10_000)}
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
            lanes = sum(len(talk.lanes) for talk in bus._talks.by_id.values())
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
    seconds = args.sessions * args.minutes * 60
    print(f"{args.sessions} sessions of {args.minutes:g} minutes: {took:.2f} s of CPU")
    print(f"CPU a session-second: {1000 * took / seconds:.2f} ms, users and engines included")
    print(f"without the users' own {1000 * (took - users) / seconds:.2f} ms")
    print(f"tasks at work: {mean:.2f} a session on average, at most {most:.2f}")
    print(f"given up by full lanes: {dropped or 'nothing'}")


if __name__ == "__main__":
    main()
