"""Observers see each step of an event, and cannot harm it."""

from __future__ import annotations

import logging

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.bus.trace import Step, Trace
from aichat.core.events import Interrupted, UserSaid
from support.bus import said
from support.waiting import blocked

pytestmark = pytest.mark.anyio


async def test_observers_see_every_step_and_a_broken_one_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces: list[Trace] = []

    async def ok(event: UserSaid) -> None: ...

    def broken(trace: Trace) -> None:
        raise RuntimeError

    async with open_bus() as bus:
        bus.observe(broken)
        bus.observe(traces.append)
        bus.subscribe(ok)
        await bus.publish(said(bus.turn("c")))
    assert [trace.step for trace in traces] == [Step.PUBLISHED, Step.STARTED, Step.FINISHED]
    assert {trace.handler.rpartition(".")[2] for trace in traces} == {"", "ok"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3


async def test_observers_see_failures_cancellations_and_drops() -> None:
    steps: list[Step] = []

    async def work(event: UserSaid) -> None:
        if event.text == "fail":
            raise ValueError
        await anyio.sleep_forever()

    async with open_bus() as bus:
        bus.observe(lambda trace: trace.handler.endswith("work") and steps.append(trace.step))
        bus.subscribe(work, interruptible=True)
        turn = bus.new_turn("c")
        for text in ("fail", "cancel", "waits"):
            await bus.publish(said(turn, text))
        await blocked()
        bus.interrupt(Interrupted(turn))
    failed, cancelled, dropped = Step.FAILED, Step.CANCELLED, Step.DROPPED
    assert steps == [Step.STARTED, failed, Step.STARTED, cancelled, dropped]
