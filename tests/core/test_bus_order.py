"""Events keep their order in a lane, and those that remember get them before those that act."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.events import Line, ReplyText, UserSaid
from support.bus import Guess, said
from support.waiting import blocked

pytestmark = pytest.mark.anyio


async def test_a_lane_handles_its_events_one_at_a_time_in_the_order_published() -> None:
    running, log = 0, []

    async def work(event: UserSaid | Guess) -> None:
        nonlocal running
        running += 1
        assert running == 1
        for _ in range(3 if event.text in "ac" else 0):
            await anyio.lowlevel.checkpoint()
        log.append(event.text)
        running -= 1

    async with open_bus() as bus:
        bus.subscribe(work)
        turn = bus.turn("c")
        for text in "abcdef":
            kind = UserSaid if text in "ace" else Guess
            await bus.publish(kind(turn, text))
    assert "".join(log) == "abcdef"


async def test_lane_by_lets_characters_speak_side_by_side_each_in_order() -> None:
    running, most, gate = 0, 0, anyio.Event()
    spoken: dict[int, list[int]] = {}

    async def speak(event: ReplyText) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        spoken.setdefault(event.line.place, []).append(event.index)
        running -= 1

    async with open_bus() as bus:
        bus.subscribe(speak, lane_by=lambda event: event.line.place)
        turn = bus.turn("c")
        for index in range(3):
            for place in range(3):
                await bus.publish(ReplyText(Line(turn, "n", place), "x", index))
        await blocked()
        gate.set()
    assert most == 3
    assert spoken == {0: [0, 1, 2], 1: [0, 1, 2], 2: [0, 1, 2]}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio starts tasks in random order
async def test_who_remembers_hears_before_who_acts(anyio_backend: str) -> None:
    log: list[str] = []

    async def act(event: UserSaid) -> None:
        log.append("act")

    async def remember(event: UserSaid) -> None:
        log.append("remember")

    def act_now(event: UserSaid) -> None:
        log.append("act now")

    def remember_now(event: UserSaid) -> None:
        log.append("remember now")

    async with open_bus() as bus:
        bus.subscribe(act, interruptible=True)
        bus.subscribe(remember)
        bus.tap(act_now, interruptible=True)
        bus.tap(remember_now)
        await bus.publish(said(bus.turn("c")))
    assert log == ["remember now", "act now", "remember", "act"]
