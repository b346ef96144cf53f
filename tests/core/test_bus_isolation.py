"""Conversations and subscriptions do not hold each other up."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.events import UserSaid
from support.bus import Ear, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


async def test_a_slow_conversation_holds_up_no_other() -> None:
    heard: list[str] = []
    gate = anyio.Event()

    async def slow(event: UserSaid) -> None:
        if event.turn.conversation == "slow":
            await gate.wait()
        heard.append(event.turn.conversation)

    async with open_bus() as bus:
        bus.subscribe(slow)
        await bus.publish(said(bus.turn("slow")))
        await bus.publish(said(bus.turn("fast")))
        await blocked()
        assert heard == ["fast"]
        gate.set()
    assert heard == ["fast", "slow"]


async def test_a_full_lane_does_not_keep_the_event_from_the_others() -> None:
    full, other = Ear(), Ear()
    full.hold()
    async with open_bus() as bus, anyio.create_task_group() as tasks:
        bus.subscribe(full.hear, limit=1)
        bus.subscribe(other.hear, interruptible=True)
        turn = bus.turn("c")
        for text in "abc":
            tasks.start_soon(bus.publish, said(turn, text))
        await blocked()
        assert sorted(other.heard) == ["a", "b", "c"]
        full.open.set()
    assert full.heard == other.heard


async def test_a_lane_that_keeps_feeding_itself_does_not_shut_others_out() -> None:
    stop = False
    async with open_bus() as bus:

        async def carousel(event: UserSaid) -> None:
            for _ in range(3 if event.text == "go" else 1):
                if not stop:
                    await bus.publish(said(event.turn, "round"))

        bus.subscribe(carousel, limit=1)
        turn = bus.turn("c")
        await bus.publish(said(turn, "go"))
        with anyio.fail_after(HANG_SECONDS):
            for _ in range(5):
                await bus.publish(said(turn, "guest"))
        stop = True
