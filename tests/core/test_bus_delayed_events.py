"""Events that come after a while, or when the bus stops."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from aichat.core.bus.bus import Bus, open_bus
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.errors import BadHandler, BusClosed, BusError
from aichat.core.events import Event, Interrupted, Turn, TurnFinished, UserSaid

TURN = Turn("c")


@frozen
class Due(Event):
    number: int = 0
    urgent: ClassVar[bool] = True


def test_an_event_comes_after_its_time_and_nobody_waits_for_it() -> None:
    async def program() -> None:
        came: list[tuple[float, int]] = []
        async with open_bus() as bus:
            bus.tap(_noting(came, bus))
            assert bus.post_later(Due(TURN, 2), 2.0)
            assert bus.post_later(Due(TURN, 1), 1.0)
            await bus.settled()
            assert came == []
            await anyio.sleep(3)
            assert [(round(at), number) for at, number in came] == [(1, 1), (2, 2)]

    run_virtual(program)


@given(st.lists(st.floats(0, 2), max_size=8), st.floats(0, 2))
def test_each_comes_once_however_close_the_end_is(pauses: list[float], end: float) -> None:
    async def program() -> None:
        came: list[tuple[float, int]] = []
        async with open_bus() as bus:
            bus.tap(_noting(came, bus))
            for number, pause in enumerate(pauses):
                bus.post_later(Due(TURN, number), pause)
            await anyio.sleep(end)
            bus.stop()
            assert not bus.post_later(Due(TURN, 99), 1.0), "there is no later"
        assert sorted(number for _, number in came) == list(range(len(pauses)))

    run_virtual(program)


def test_only_urgent_events_can_come_later_and_keepers_are_not_interrupted() -> None:
    async def program() -> None:
        async with open_bus() as bus:
            with pytest.raises(BusError, match="not urgent"):
                bus.post_later(TurnFinished(TURN), 1.0)

            async def keep(event: Due) -> None: ...

            with pytest.raises(BadHandler, match="may be interrupted"):
                bus.subscribe(keep, keeps=True, interruptible=True)

    run_virtual(program)


def test_kept_waits_for_those_who_keep_and_not_for_others() -> None:
    async def program() -> None:
        kept: list[int] = []
        async with open_bus(drain_seconds=0.1) as bus:

            async def keep(event: Due) -> None:
                await anyio.sleep(1)
                kept.append(event.number)

            async def dawdle(event: Due) -> None:
                await anyio.sleep(100)

            bus.subscribe(keep, keeps=True)
            bus.subscribe(dawdle)
            for number in range(3):
                bus.post(Due(TURN, number))
            bus.stop()
            await bus.kept()
            assert kept == [0, 1, 2]
            assert anyio.current_time() == pytest.approx(3)
        assert anyio.current_time() < 4

    run_virtual(program)


def test_a_bus_that_stops_interrupts_what_goes_on_and_takes_nothing_new_from_outside() -> None:
    async def program() -> None:
        cut: list[Interrupted] = []

        def note(event: Interrupted) -> None:
            cut.append(event)

        async with open_bus() as bus:
            bus.tap(note)
            one, two = bus.new_turn("one"), bus.new_turn("two")
            await bus.publish(TurnFinished(two))
            ahead = bus.speculative_turn("two")
            bus.stop()
            assert [(event.turn, event.reason) for event in cut] == [(one, "stopped")]
            assert not bus.commit(ahead)
            with pytest.raises(BusClosed):
                await bus.publish(UserSaid(one, "hi", "text", "m"))
            bus.stop()  # once more changes nothing
            assert len(cut) == 1

    run_virtual(program)


def _noting(came: list[tuple[float, int]], bus: Bus):  # type: ignore[no-untyped-def]
    def note(event: Due) -> None:
        came.append((bus.clock.now(), event.number))

    return note
