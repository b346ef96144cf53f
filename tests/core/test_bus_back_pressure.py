"""A full lane, or a gate from a tap, makes its publisher wait, and nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.errors import BusError
from aichat.core.events import Interrupted, Line, ReplyText, UserSaid
from support.bus import Ear, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


async def test_publish_waits_while_a_lane_is_full_but_urgent_events_do_not() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        bus.subscribe(ear.hear, limit=2)
        turn = bus.turn("c")
        with anyio.fail_after(HANG_SECONDS):
            for text in "abc":  # one in hand, two waiting
                await bus.publish(said(turn, text))
                await blocked()
        published = False

        async def publish_late() -> None:
            nonlocal published
            await bus.publish(said(turn, "d"))
            published = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_late)
            await blocked()
            tasks.cancel_scope.cancel()
        assert not published
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(Interrupted(turn))
        ear.open.set()
        with anyio.fail_after(HANG_SECONDS):
            await bus.settled()
    assert ear.heard == ["a", "b", "c", "d", "!"]  # what was published is not lost


async def test_a_waiting_publisher_goes_on_as_soon_as_there_is_room() -> None:
    went_on = False
    gates = [anyio.Event() for _ in range(4)]

    async def slow(event: UserSaid) -> None:
        await gates[int(event.text)].wait()

    async with open_bus() as bus, anyio.create_task_group() as tasks:
        bus.subscribe(slow, limit=1)
        turn = bus.turn("c")

        async def produce() -> None:
            nonlocal went_on
            for number in range(3):
                await bus.publish(said(turn, str(number)))
            went_on = True

        tasks.start_soon(produce)
        await blocked()
        assert not went_on
        gates[0].set()
        await blocked()
        assert went_on
        gates[1].set()
        gates[2].set()


async def test_a_gate_from_a_tap_holds_its_publisher_back_and_nobody_else() -> None:
    gate, lane = anyio.Event(), Ear()
    published = False

    def player(event: UserSaid) -> Callable[[], Awaitable[object]] | None:
        return gate.wait if event.text == "held" else None

    async with open_bus() as bus, anyio.create_task_group() as tasks:
        bus.tap(player)
        bus.subscribe(lane.hear)
        turn = bus.turn("c")

        async def produce() -> None:
            nonlocal published
            await bus.publish(said(turn, "held"))
            published = True

        tasks.start_soon(produce)
        await blocked()
        assert not published
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(turn, "free"))
        await blocked()
        assert lane.heard == ["held", "free"]
        gate.set()
        await blocked()
        assert published


async def test_a_gate_that_never_opens_lets_go_when_its_publisher_is_interrupted() -> None:
    spoken: list[str] = []

    def player(event: ReplyText) -> Callable[[], Awaitable[object]]:
        return anyio.sleep_forever

    async with open_bus() as bus:

        async def write(event: UserSaid) -> None:
            if event.text == "old":
                await bus.publish(ReplyText(Line(event.turn, "n", 0), "x"))
            spoken.append(event.text)

        bus.tap(player)
        bus.subscribe(write, interruptible=True)
        old = bus.new_turn("c")
        await bus.publish(said(old, "old"))
        await blocked()
        bus.interrupt(Interrupted(old))
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(bus.new_turn("c"), "new"))
            await bus.settled()
    assert spoken == ["new"]


async def test_only_urgent_events_are_posted() -> None:
    async with open_bus() as bus:
        turn = bus.new_turn("c")
        with pytest.raises(BusError, match="Hint: Use `await publish"):
            bus.post(said(turn))
        with pytest.raises(BusError):
            bus.interrupt(said(turn))
        assert not bus.is_void(said(turn))  # refused before the fence was set
