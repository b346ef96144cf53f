"""Calls of engines end on time for those who wait, also where an engine heeds nothing."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from attrs import define, frozen

from aichat.core import Bus, TimedOut, open_bus
from aichat.core.bus import engine_calls
from aichat.core.bus.lane import current_lane
from aichat.core.bus.streams import IdleTimeout, stalled
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import Event, HandlerFailed, Interrupted

pytestmark = pytest.mark.anyio
SECONDS = 20.0


@frozen
class Asked(Event): ...


@define(eq=False)
class Engine:
    """An engine whose calls never end by themselves, and how often they are cancelled."""

    cancelled: int = 0
    released: bool = False
    ended: int = 0

    async def is_polite(self, waiting: IdleTimeout) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.ended += 1

    async def is_shielded(self, waiting: IdleTimeout) -> None:
        with anyio.CancelScope(shield=True):
            while not self.released:  # noqa: ASYNC110
                await anyio.sleep(1)
        self.ended += 1

    async def catches_all(self, waiting: IdleTimeout) -> None:
        while not self.released:
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class():
                self.cancelled += 1
        self.ended += 1


async def ask(bus: Bus, engine: Engine, work: str) -> None:
    await bus.engine_calls.run(
        engine, SECONDS, lambda: stalled("It said nothing", SECONDS), getattr(engine, work)
    )


async def test_what_the_work_returns_and_raises_comes_back() -> None:
    async def adds(waiting: IdleTimeout) -> int:
        await anyio.lowlevel.checkpoint()
        return 3

    async def fails(waiting: IdleTimeout) -> int:
        raise KeyError("no")

    async with open_bus() as bus:
        assert await bus.engine_calls.run(None, 1, lambda: stalled("", 1), adds) == 3
        with pytest.raises(KeyError):
            await bus.engine_calls.run(None, 1, lambda: stalled("", 1), fails)


async def test_the_work_publishes_for_the_handler_that_waits() -> None:
    lanes = []

    async def work(waiting: IdleTimeout) -> None:
        lanes.append(current_lane.get())

    async def handler(event: Asked) -> None:
        lanes.append(current_lane.get())
        await bus.engine_calls.run(None, 1, lambda: stalled("", 1), work)

    async with open_bus() as bus:
        bus.subscribe(handler)
        await bus.publish(Asked(bus.turn("c")))
        await bus.settled()
    assert lanes[0] is lanes[1] is not None


@pytest.mark.parametrize("stray", [SystemExit, GeneratorExit])
async def test_what_would_end_the_task_is_a_failure_of_the_engine(
    stray: type[BaseException],
) -> None:
    async def work(waiting: IdleTimeout) -> None:
        raise stray

    async with open_bus() as bus:
        with pytest.raises(RuntimeError, match=f"stray {stray.__name__}"):
            await bus.engine_calls.run(None, 1, lambda: stalled("", 1), work)


# -- those that do not end, on virtual time --------------------------------------------------


@pytest.mark.parametrize("work", ["is_polite", "is_shielded", "catches_all"])
def test_a_call_that_stalls_is_a_timeout_whether_it_heeds_that_or_not(work: str) -> None:
    async def program() -> None:
        engine = Engine()
        async with open_bus() as bus:
            with pytest.raises(TimedOut, match="It said nothing for 20 seconds"):
                await ask(bus, engine, work)
            heeds = work == "is_polite"
            late = bus.clock.now() - SECONDS
            assert late == pytest.approx(0 if heeds else engine_calls.HEED_SECONDS, abs=0.01)
            assert bus.engine_calls.by_engine() == ({} if heeds else {"Engine": 1})
            engine.released = True
            await anyio.sleep(3)
            assert engine.ended == 1
            assert not bus.engine_calls.stuck

    run_virtual(program)


@pytest.mark.parametrize("work", ["is_polite", "is_shielded", "catches_all"])
def test_an_interrupted_handler_does_not_wait_for_an_engine_that_heeds_nothing(work: str) -> None:
    async def program() -> None:
        engine, ended = Engine(), list[float]()

        async def handler(event: Asked) -> None:
            try:
                await ask(bus, engine, work)
            finally:
                ended.append(bus.clock.now())

        async with open_bus() as bus:
            bus.subscribe(handler, interruptible=True)
            turn = bus.new_turn("c")
            await bus.publish(Asked(turn))
            await anyio.sleep(1)
            bus.interrupt(Interrupted(turn))
            await bus.settled()
            assert ended == [pytest.approx(1 if work == "is_polite" else 3.5, abs=0.01)]
            engine.released = True
            await anyio.sleep(3)
            assert not bus.engine_calls.stuck

    run_virtual(program)


def test_an_engine_that_catches_every_cancellation_does_not_keep_the_loop_busy() -> None:
    async def program() -> None:
        engine = Engine()
        async with open_bus() as bus:
            with pytest.raises(TimedOut):
                await ask(bus, engine, "catches_all")
            before = engine.cancelled
            assert before <= 8 * engine_calls.TURNS
            await anyio.sleep(100)
            assert 0 < engine.cancelled - before <= 101 * engine_calls.TURNS
            engine.released = True

    run_virtual(program)


def test_each_stuck_call_is_counted_until_it_has_ended_and_no_other() -> None:
    async def program() -> None:
        one, other = Engine(), Engine()
        async with open_bus() as bus:

            async def handler(event: Asked) -> None:
                await ask(bus, one, "is_shielded")

            failed: list[HandlerFailed] = []

            def note(event: HandlerFailed) -> None:
                failed.append(event)

            bus.tap(note)
            bus.subscribe(handler)
            for conversation in "abc":
                await bus.publish(Asked(bus.turn(conversation)))
            with pytest.raises(TimedOut):
                await ask(bus, other, "catches_all")
            await bus.settled()
            assert bus.engine_calls.by_engine() == {"Engine": 4}
            assert len(failed) == 3
            other.released = True
            await anyio.sleep(3)
            assert bus.engine_calls.stuck == [one] * 3
            one.released = True
            await anyio.sleep(3)
            assert not bus.engine_calls.stuck

    run_virtual(program)


async def test_a_bus_that_is_cancelled_cancels_its_calls() -> None:
    engine = Engine()
    with anyio.fail_after(5), anyio.move_on_after(0.01):
        async with open_bus(0.0) as bus:
            await ask(bus, engine, "is_polite")
    assert engine.ended == 1
