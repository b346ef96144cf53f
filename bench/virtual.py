"""How long 100 minutes of conversation take on virtual time.

Three characters, simulated engines, a user whose microphone is always on. The aim: under 5 s.

    python bench/virtual.py [minutes] [--seed N] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import anyio

from aichat.core import load_plugins, open_chat
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import Event, HandlerFailed, TurnTimed
from aichat.core.testing.fakes import FakeTurn
from aichat.core.testing.simulated_backends import SimulatedLlm, SimulatedStt, SimulatedTts
from aichat.core.testing.simulated_user import SimulatedUser
from support.chat import Given, a_store, all_ready


async def conversation(
    minutes: float, seed: int, packet_ms: float
) -> tuple[Counter[str], list[TurnTimed], int]:
    """Talk; return how many events of each kind there were, the waterfalls, and the turns."""
    given = Given(
        storage=await a_store(),
        turn=FakeTurn(end_ms=300, barge_in_ms=250),
        stt=SimulatedStt(jitter=0.2, seed=seed),
        llm=SimulatedLlm(jitter=0.2, fail_rate=0.01, seed=seed),
        tts=SimulatedTts(jitter=0.2, fail_rate=0.01, seed=seed),
    )
    kinds: Counter[str] = Counter()
    timed: list[TurnTimed] = []

    def note(event: Event) -> None:
        kinds[type(event).__name__] += 1

    def keep(event: TurnTimed) -> None:
        if event.final:
            timed.append(event)

    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)
        bus.tap(note)
        bus.tap(keep)
        user = SimulatedUser(bus, "c", packet_seconds=packet_ms / 1000, seed=seed)
        gc.collect()
        gc.freeze()  # as the server does
        await user.talk(minutes)
        await bus.settled()
    return kinds, timed, user.turns


async def bare_sleeps(count: int) -> None:
    """Only what the event loop itself needs for so many timers."""
    for _ in range(count):
        await anyio.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packet-ms", type=float, default=20)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    import logging

    logging.disable(logging.ERROR)  # the engines fail on purpose
    profile = cProfile.Profile()
    if args.profile:
        profile.enable()
    load_plugins()  # what has to be imported is not what is measured
    began, cpu = time.perf_counter(), time.process_time()
    kinds, timed, turns = run_virtual(conversation, args.minutes, args.seed, args.packet_ms)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    profile.disable()
    events = sum(kinds.values())
    print(f"{args.minutes:g} virtual minutes in {took:.2f} s ({cpu:.2f} s of CPU)")
    cpu_of_sleeps = time.process_time()
    run_virtual(bare_sleeps, events)
    cpu_of_sleeps = time.process_time() - cpu_of_sleeps
    print(f"{cpu / cpu_of_sleeps:.1f} times the CPU of as many bare sleeps as there were events")
    print(f"{turns} turns, {events} events, {1e6 * took / events:.0f} us an event")
    print(dict(kinds.most_common()))
    print(f"failures told: {kinds[HandlerFailed.__name__]}")
    heard = sorted(dict(one.marks).get("first_audio", 0) for one in timed)
    print(
        f"first audio p50 {heard[len(heard) // 2]:.0f} ms, p95 {heard[len(heard) * 95 // 100]:.0f}"
    )
    if args.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
