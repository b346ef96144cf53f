"""Hours of conversation on virtual time: the same again for the same seed, and nothing piles up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from attrs import define

from aichat.core import Bus, Parts, load_plugins, open_chat
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    Event,
    HandlerFailed,
    Interrupted,
    MessageAdded,
    TurnFinished,
)
from aichat.core.testing.simulated_user import SimulatedUser
from aichat.stages.hearing.transcription import INTERIM_HANDLER, Transcription
from aichat.toolkit.event_log import LogWriter
from support.chat import Given, a_store, all_ready
from support.simulated_engines import engines

pytestmark = pytest.mark.usefixtures("quiet_log")

HERE = Path(__file__).parent.parent


@define
class Talked:
    log: list[str]
    kinds: dict[str, int]
    bus: Bus
    parts: Parts
    turns: int
    tasks: int


async def talked(minutes: float, seed: int, is_logged: bool = True) -> Talked:
    """Let a simulated user talk with three characters for so long; write down everything."""
    given = Given(storage=await a_store(), **engines(seed))
    log: list[str] = []
    kinds: dict[str, int] = {}
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)
        writer = LogWriter(bus.clock.now())

        def note(event: Event) -> None:
            if is_logged:
                log.append(writer.entry(event, bus.clock.now()).to_line())
            kinds[type(event).__name__] = kinds.get(type(event).__name__, 0) + 1

        bus.tap(note)
        user = SimulatedUser(bus, "c", packet_seconds=0.1, seed=seed)
        await user.talk(minutes)
        await bus.settled()
        tasks = len(anyio.get_running_tasks())
    return Talked(log, kinds, bus, parts, user.turns, tasks)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_events_to_the_last_one(seed: int) -> None:
    first, again = (run_virtual(talked, 5, seed, seed=seed).log for _ in range(2))
    assert first == again
    assert len(first) > 2_500


def test_another_seed_gives_another_conversation() -> None:
    assert run_virtual(talked, 2, 1, seed=1).log != run_virtual(talked, 2, 2, seed=2).log


def test_another_process_with_other_hashes_sees_the_same_events() -> None:
    program = (
        "import hashlib, logging; logging.disable(50); "
        "from aichat.core.bus.virtual_time import run_virtual; "
        "from stages.test_long_conversations import talked; "
        "print(hashlib.sha256(repr(run_virtual(talked, 3, 1, seed=1).log).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=HERE, capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join([str(HERE), *sys.path])},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


def test_hours_with_failures_and_interruptions_leave_nothing_behind() -> None:
    done = run_virtual(talked, 100, 3, False, seed=3)
    kinds = done.kinds
    assert kinds[TurnFinished.__name__] > 100
    assert kinds[Interrupted.__name__] > 20
    assert kinds[HandlerFailed.__name__] > 5
    assert kinds[AudioReady.__name__] > 10_000
    assert kinds[MessageAdded.__name__] > 300
    assert done.turns > 200
    talk = done.bus._conversations.by_id["c"]
    assert not talk.lanes
    assert len(talk.cut_lines) < 10
    assert (
        f"{Transcription.__module__}.{Transcription.transcribe_interim.__qualname__}"
        == INTERIM_HANDLER
    )
    assert sum(done.bus.dropped.values()) == done.bus.dropped[INTERIM_HANDLER]
    # the main task, the crew that is kept for more work, and one for each backend
    assert done.tasks < 30
