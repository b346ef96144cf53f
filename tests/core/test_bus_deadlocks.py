"""No lanes and publishers that wait for each other stand still for ever."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.events import Line, ReplyText, UserSaid
from support.bus import Ear, Guess, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


async def test_a_handler_may_fill_its_own_lane_over_and_over() -> None:
    heard: list[str] = []
    async with open_bus() as bus:

        async def burst(event: UserSaid) -> None:
            heard.append(event.text)
            if event.text == "go":
                for text in "abc":
                    await bus.publish(said(event.turn, text))

        bus.subscribe(burst, limit=1)
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(bus.turn("c"), "go"))
            await bus.settled()
    assert heard == ["go", "a", "b", "c"]


async def test_two_lanes_that_fill_each_other_do_not_deadlock() -> None:
    left, right = 0, 0
    async with open_bus() as bus:

        async def ping(event: UserSaid) -> None:
            nonlocal left
            left += 1
            for _ in range(3 if left < 30 else 0):
                await bus.publish(Guess(event.turn, "x"))

        async def pong(event: Guess) -> None:
            nonlocal right
            right += 1
            for _ in range(2 if right < 60 else 0):
                await bus.publish(said(event.turn))

        bus.subscribe(ping, limit=1)
        bus.subscribe(pong, limit=1)
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(bus.turn("c")))
            await bus.settled()
    assert left >= 30
    assert right >= 60


async def test_a_ring_of_three_lanes_and_a_crowd_of_publishers_do_not_deadlock() -> None:
    passed = 0
    async with open_bus() as bus:
        turn = bus.turn("c")

        async def one(event: UserSaid) -> None:
            for _ in range(2):
                await bus.publish(Guess(event.turn, event.text))

        async def two(event: Guess) -> None:
            await bus.publish(ReplyText(Line(event.turn, "n", 0), event.text))

        async def three(event: ReplyText) -> None:
            nonlocal passed
            passed += 1
            if len(event.text) < 4:
                await bus.publish(said(event.turn, event.text + "+"))

        for handler in (one, two, three):
            bus.subscribe(handler, limit=1)  # type: ignore[arg-type]
        with anyio.fail_after(HANG_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(bus.publish, said(turn, "+"))
            await bus.settled()
    assert passed == 4 * (2 + 4 + 8 + 16)


async def test_a_handler_whose_children_publish_to_its_own_lane_does_not_deadlock() -> None:
    heard: list[str] = []
    async with open_bus() as bus:

        async def fan_out(event: UserSaid) -> None:
            heard.append(event.text)
            if event.text == "go":
                async with anyio.create_task_group() as tasks:
                    for text in "abc":
                        tasks.start_soon(bus.publish, said(event.turn, text))

        bus.subscribe(fan_out, limit=1)
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(bus.turn("c"), "go"))
            await bus.settled()
    assert sorted(heard) == ["a", "b", "c", "go"]


async def test_two_lanes_that_come_to_wait_for_each_other_late_do_not_deadlock() -> None:
    third = Ear()
    third.hold()
    async with open_bus() as bus:

        async def first(event: UserSaid) -> None:
            if event.text == "go":
                await bus.publish(Guess(event.turn, "go"))  # waits for third, then for second

        async def hear(event: Guess) -> None:
            await third.open.wait()

        async def second(event: Guess) -> None:
            if event.text == "go back":
                await blocked()  # until first waits for third
                for _ in range(3):
                    await bus.publish(said(event.turn))

        bus.subscribe(hear, limit=1)
        bus.subscribe(second, interruptible=True, limit=1)
        bus.subscribe(first, limit=1)
        turn = bus.turn("c")
        await bus.publish(Guess(turn, "go back"))
        await bus.publish(Guess(turn, "fills"))
        await bus.publish(said(turn, "go"))
        await blocked()
        third.open.set()
        with anyio.fail_after(HANG_SECONDS):
            await bus.settled()
