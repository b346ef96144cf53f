"""What the framework itself adds to a spoken turn, with engines that answer at once.

In one process, without a network: from the last silent frame, which ends the utterance, to the
first audio in a connection's outbox. Prints p50, p95 and p99 in ms, for each event loop.

    python bench/turn.py [turns] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import sys
import time
from functools import partial
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from aichat.core import load_plugins, open_chat
from aichat.core.events import AudioReceived
from aichat.core.testing.fakes import FakeStt
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.outbox import Connection
from aichat.web.realtime.room import Room
from support.chat import Given, a_store, all_ready

SPEECH, QUIET = b"\x01\x00" * 320, bytes(640)
WARM_UP = 30


async def measure(turns: int, profile: cProfile.Profile | None) -> list[float]:
    """Take *turns* spoken turns one after the other; return their seconds."""
    given = Given(storage=await a_store(("Olivia",)), stt=FakeStt("hello"))
    took: list[float] = []
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)
        conversation, cast = await parts.storage.cast("c")
        room = Room(conversation.conversation_id, bus, parts, Painter(environment([])), cast)
        room.listen()
        connection = Connection(True, False, lambda: None)
        room.connections.add(connection)
        gc.collect()
        gc.freeze()
        for turn in range(turns + WARM_UP):
            for _ in range(5):
                await bus.publish(AudioReceived(bus.turn("c"), SPEECH))
            while connection.frames:
                connection.take()
            await anyio.sleep(0.002)
            if profile and turn >= WARM_UP:
                profile.enable()
            took.append(await one(bus, connection))
            if profile:
                profile.disable()
            live = bus.live_turn("c")
            if live:
                from aichat.core.events import Interrupted

                bus.interrupt(Interrupted(live))
            await bus.settled()
    return took[WARM_UP:]


async def one(bus, connection) -> float:
    """Send the last frame, and wait for sound."""
    began = time.perf_counter()
    await bus.publish(AudioReceived(bus.turn("c"), QUIET))
    while True:
        some = anyio.Event()
        connection.on_frames = some.set
        while connection.frames:
            if isinstance(connection.take(), bytes):
                return time.perf_counter() - began
        connection.rest()
        await some.wait()


def told(name: str, took: list[float]) -> str:
    took = sorted(took)
    p = [1000 * took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.95, 0.99)]
    return f"{name:9} p50 {p[0]:.2f} ms   p95 {p[1]:.2f} ms   p99 {p[2]:.2f} ms   n={len(took)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("turns", type=int, nargs="?", default=500)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--sort", default="tottime")
    args = parser.parse_args()
    for name, is_uv in (("asyncio", False), ("uvloop", True)):
        profile = cProfile.Profile() if args.profile else None
        options = {"use_uvloop": is_uv}
        took = anyio.run(partial(measure, args.turns, profile), backend_options=options)
        print(told(name, took))
        if profile:
            pstats.Stats(profile).sort_stats(args.sort).print_stats(70)


if __name__ == "__main__":
    main()
