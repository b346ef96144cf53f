"""Errors of handlers, taps and gates are reported and stop nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from aichat.core import AichatError, open_bus
from aichat.core.errors import BusClosed
from aichat.core.events import HandlerFailed, UserSaid
from support.bus import Ear, said

pytestmark = pytest.mark.anyio


async def test_a_failing_handler_is_reported_and_its_lane_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    failures: list[HandlerFailed] = []

    async def fussy(event: UserSaid) -> None:
        if event.text == "bad":
            raise ValueError("no")
        heard.append(event.text)

    async def report(event: HandlerFailed) -> None:
        failures.append(event)
        raise RuntimeError("even the reporter fails")

    def tap(event: HandlerFailed) -> None:
        raise RuntimeError("and the tap")

    async with open_bus() as bus:
        bus.subscribe(fussy)
        bus.subscribe(report)
        bus.tap(tap)
        for text in ("bad", "good"):
            await bus.publish(said(bus.turn("c"), text))
    assert heard == ["good"]
    assert [(f.handler.rpartition(".")[2], str(f.error)) for f in failures] == [("fussy", "no")]
    assert isinstance(failures[0].event, UserSaid)
    assert "good" not in caplog.text
    assert "bad" not in caplog.text  # what people say is not logged


async def test_a_tap_a_gate_and_a_lane_by_that_raise_are_contained() -> None:
    failures: list[str] = []
    ear = Ear()

    def tap(event: UserSaid) -> None:
        raise ValueError("tap")

    def gated(event: UserSaid) -> Callable[[], Awaitable[object]]:
        async def gate() -> None:
            raise ValueError("gate")

        return gate

    def place(event: UserSaid) -> int:
        raise ValueError("lane_by")

    async def beside(event: UserSaid) -> None: ...

    async def report(event: HandlerFailed) -> None:
        failures.append(str(event.error))

    async with open_bus() as bus:
        bus.tap(tap)
        bus.tap(gated)
        bus.subscribe(beside, lane_by=place)
        bus.subscribe(beside, lane_by=lambda event: [])  # type: ignore[arg-type,return-value]
        bus.subscribe(ear.hear)
        bus.subscribe(report)
        await bus.publish(said(bus.turn("c")))
    assert failures == ["tap", "lane_by", "unhashable type: 'list'", "gate"]
    assert ear.heard == ["hi"]


async def test_a_group_of_errors_from_a_handlers_own_tasks_is_contained() -> None:
    failures: list[Exception] = []

    async def broken() -> None:
        raise ValueError("child")

    async def work(event: UserSaid) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broken)
            await anyio.sleep_forever()

    async def report(event: HandlerFailed) -> None:
        failures.append(event.error)

    async with open_bus() as bus:
        bus.subscribe(work)
        bus.subscribe(report)
        await bus.publish(said(bus.turn("c")))
    assert [type(error) for error in failures] == [ExceptionGroup]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stray_cancellation_from_somebody_elses_task_does_not_kill_the_bus(
    anyio_backend: str,
) -> None:
    heard: list[str] = []
    failures: list[str] = []

    async def foreign() -> None:
        await asyncio.sleep(3600)

    async def work(event: UserSaid) -> None:
        if event.text == "stray":
            task = asyncio.get_running_loop().create_task(foreign())
            await anyio.lowlevel.checkpoint()
            task.cancel()
            await task
        heard.append(event.text)

    async def report(event: HandlerFailed) -> None:
        failures.append(str(event.error))

    async with open_bus() as bus:
        bus.subscribe(work, interruptible=True)
        bus.subscribe(report)
        turn = bus.turn("c")
        for text in ("stray", "after"):
            await bus.publish(said(turn, text))
    assert heard == ["after"]
    assert failures == ["stray CancelledError"]


async def test_an_error_of_the_block_comes_out_as_it_was_raised() -> None:
    async def broken_block() -> None:
        async with open_bus() as bus:
            await bus.publish(said(bus.turn("c")))
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await broken_block()


def test_every_bus_error_says_how_to_mend_it() -> None:
    error = BusClosed("It is closed.", "Open it.")
    assert isinstance(error, AichatError)
    assert error.line == "It is closed. Open it."


async def test_a_failure_that_a_handler_gets_over_is_told_and_the_handler_goes_on() -> None:
    got: list[str] = []
    failures: list[HandlerFailed] = []

    async with open_bus() as bus:

        async def patient(event: UserSaid) -> None:
            bus.report(event, ValueError("one of several"))
            got.append(event.text)

        def hear(event: HandlerFailed) -> None:
            failures.append(event)

        bus.subscribe(patient)
        bus.tap(hear)
        await bus.publish(said(bus.new_turn("c"), "on"))
        await bus.settled()
    assert got == ["on"]
    assert [str(failure.error) for failure in failures] == ["one of several"]
