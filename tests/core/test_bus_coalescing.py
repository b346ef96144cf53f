"""A lane that coalesces gives up old events when it is full, as few as it can."""

from __future__ import annotations

import pytest

from aichat.core import Overflow, open_bus
from support.bus import Ear, Guess, said
from support.waiting import blocked

pytestmark = pytest.mark.anyio


async def test_coalesce_keeps_the_newest_of_each_type_in_order_and_counts_the_rest() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        subscription = bus.subscribe(ear.hear, limit=8, overflow=Overflow.COALESCE)
        turn = bus.turn("c")
        await bus.publish(said(turn, "in hand"))
        await blocked()
        for event in (
            Guess(turn, "h"),
            said(turn, "hello"),
            Guess(turn, "how"),  # not before "hello", which it came after
        ):
            await bus.publish(event)
        assert bus.dropped == {subscription.name: 1}
        ear.open.set()
    assert ear.heard == ["in hand", "hello", "how"]


async def test_coalesce_in_a_full_lane_gives_up_one_event_only() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        bus.subscribe(ear.hear, limit=2, overflow=Overflow.COALESCE)
        turn = bus.turn("c")
        await bus.publish(said(turn, "in hand"))
        await blocked()
        await bus.publish(Guess(turn, "h"))
        await bus.publish(said(turn, "old"))
        await bus.publish(said(turn, "new"))
        assert bus.dropped.total() == 1
        ear.open.set()
    assert ear.heard == ["in hand", "h", "new"]


async def test_coalesce_gives_up_the_oldest_when_it_is_full_of_other_types() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        bus.subscribe(ear.hear, limit=1, overflow=Overflow.COALESCE)
        turn = bus.turn("c")
        await bus.publish(said(turn, "in hand"))
        await blocked()
        await bus.publish(Guess(turn, "h"))
        await bus.publish(said(turn, "new"))
        ear.open.set()
    assert ear.heard == ["in hand", "new"]
