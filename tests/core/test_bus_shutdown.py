"""Closing finishes what was begun, refuses what is new, and gives up in the end."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import Bus, open_bus
from aichat.core.bus.trace import Step
from aichat.core.errors import BusClosed
from aichat.core.events import Interrupted, Turn, UserSaid
from support.bus import Ear, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


async def test_closing_finishes_started_work_and_what_it_begets_and_refuses_new() -> None:
    heard: list[str] = []
    async with open_bus() as bus:
        turn = bus.turn("c")

        async def relay(event: UserSaid) -> None:
            await anyio.lowlevel.checkpoint()
            heard.append(event.text)
            if len(heard) < 3:
                await bus.publish(said(turn, event.text + "+"))

        bus.subscribe(relay)
        await bus.publish(said(turn, "a"))
    assert heard == ["a", "a+", "a++"]
    with pytest.raises(BusClosed, match="Hint: Publish inside"):
        await bus.publish(said(turn, "late"))
    with pytest.raises(BusClosed):
        bus.post(Interrupted(turn))
    assert heard == ["a", "a+", "a++"]


async def test_while_it_drains_the_bus_refuses_outsiders() -> None:
    ear = Ear()
    ear.hold()
    refused = False

    async def outsider(bus: Bus, turn: Turn) -> None:
        nonlocal refused
        await blocked()  # the bus waits for the ear, and we are the last to be awake
        try:
            await bus.publish(said(turn, "late"))
        except BusClosed:
            refused = True
        ear.open.set()

    async with anyio.create_task_group() as tasks, open_bus() as bus:
        bus.subscribe(ear.hear)
        await bus.publish(said(bus.turn("c"), "a"))
        tasks.start_soon(outsider, bus, bus.turn("c"))
    assert refused
    assert ear.heard == ["a"]


async def test_closing_gives_up_after_its_patience_and_everybody_is_let_go() -> None:
    steps: list[Step] = []
    let_go: list[str] = []

    async def forever(event: UserSaid) -> None:
        await anyio.sleep_forever()

    async def publisher(bus: Bus, turn: Turn) -> None:
        for _ in range(4):
            await bus.publish(said(turn))
        let_go.append("publisher")

    async def waiter(bus: Bus) -> None:
        await bus.settled()
        let_go.append("waiter")

    with anyio.fail_after(HANG_SECONDS):
        async with anyio.create_task_group() as tasks, open_bus(drain_seconds=0.05) as bus:
            bus.observe(lambda trace: steps.append(trace.step))
            bus.subscribe(forever, limit=2)
            tasks.start_soon(publisher, bus, bus.turn("c"))
            await blocked()
            tasks.start_soon(waiter, bus)
    assert sorted(let_go) == ["publisher", "waiter"]
    assert steps.count(Step.CANCELLED) == 1
    assert steps.count(Step.DROPPED) == 3
