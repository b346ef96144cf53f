"""The promises hold for any program of publishers, interrupters and handlers, in any order."""

from __future__ import annotations

from collections import Counter

import anyio
import anyio.lowlevel
import pytest
from attrs import Factory, define, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Bus, Overflow, open_bus
from aichat.core.bus.trace import Step, Trace
from aichat.core.events import (
    Event,
    HandlerFailed,
    Interrupted,
    Line,
    LineEvent,
    LineInterrupted,
    Turn,
)
from support.waiting import HANG_SECONDS


@frozen
class Said(Event):
    number: int
    depth: int = 0


@frozen
class Spoken(LineEvent):
    number: int
    depth: int = 0


Word = Said | Spoken


@frozen
class Habits:
    """How one handler behaves, by the number of the event."""

    limit: int
    overflow: Overflow
    pace: tuple[int, ...]
    fails: int
    relays: int

    def pauses(self, event: Word) -> int:
        return self.pace[event.number % len(self.pace)]


HABITS = st.builds(
    Habits,
    limit=st.integers(1, 4),
    overflow=st.sampled_from(Overflow),
    pace=st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple),
    fails=st.integers(2, 9),
    relays=st.integers(2, 5),
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["say", "speak", "say aside", "speak aside", "turn", "interrupt", "stop line", "yield"]
        ),
        st.sampled_from("cd"),
        st.integers(0, 3),
    ),
    max_size=50,
)


@define
class Program:
    """One bus, its handlers, and what they saw."""

    bus: Bus
    turns: dict[str, list[Turn]]
    published: list[Event] = Factory(list)
    kept: list[Event] = Factory(list)
    traces: list[Trace] = Factory(list)
    wrong: list[str] = Factory(list)
    said: int = 0
    names: dict[str, str] = Factory(dict)

    def connect(self, work: Habits, watch: Habits, keep: int) -> None:
        self.bus.observe(self.traces.append)
        self.bus.tap(self.see)
        for name, habits, interruptible in (("work", work, True), ("watch", watch, False)):
            handler = self.handler(habits, interruptible)
            how = {"limit": habits.limit, "overflow": habits.overflow}
            subscription = self.bus.subscribe(handler, interruptible=interruptible, **how)
            self.names[name] = subscription.name
        self.bus.subscribe(self.keep, limit=keep)
        self.bus.subscribe(self.fail)

    def see(self, event: Said | Spoken | Interrupted | LineInterrupted) -> None:
        self.published.append(event)

    async def keep(self, event: Said | Spoken | Interrupted | LineInterrupted) -> None:
        await anyio.lowlevel.checkpoint()
        self.kept.append(event)

    async def fail(self, event: HandlerFailed) -> None:
        if not isinstance(event.error, KeyError):
            self.wrong.append(repr(event.error))

    def handler(self, habits: Habits, interruptible: bool):  # type: ignore[no-untyped-def]
        async def handle(event: Said | Spoken) -> None:
            self.check(event, interruptible)
            for _ in range(habits.pauses(event)):
                await anyio.lowlevel.checkpoint()
                self.check(event, interruptible)
            if event.number % habits.fails == 1:
                raise KeyError("on purpose")
            if event.number % habits.relays == 0 and event.depth < 2:
                await self.bus.publish(again(event))
                self.check(event, interruptible)

        handle.__qualname__ = "work" if interruptible else "watch"
        return handle

    def check(self, event: Event, interruptible: bool) -> None:
        if interruptible and self.bus.is_void(event):
            self.wrong.append(f"worked on void {event}")

    async def publish(self, event: Event) -> None:
        with anyio.fail_after(HANG_SECONDS):
            await self.bus.publish(event)

    def event(self, what: str, where: str, n: int) -> Event:
        self.said += 1
        turns = self.turns[where]
        turn = turns[-1 - n % min(len(turns), 2)]
        if what.startswith("say"):
            return Said(turn, self.said)
        return Spoken(Line(turn, "n", n), self.said)

    async def do(self, what: str, where: str, n: int, aside: anyio.abc.TaskGroup) -> None:
        turns = self.turns[where]
        if what in ("say", "speak"):
            await self.publish(self.event(what, where, n))
        elif what.endswith("aside"):
            aside.start_soon(self.publish, self.event(what, where, n))
        elif what == "turn":
            turns.append(self.bus.new_turn(where))
        elif what == "interrupt":
            self.bus.interrupt(Interrupted(turns[-1 - n % min(len(turns), 2)]))
        elif what == "stop line":
            self.bus.interrupt(LineInterrupted(Line(turns[-1], "n", n)))
        else:
            for _ in range(n):
                await anyio.lowlevel.checkpoint()


def again(event: Word) -> Word:
    if isinstance(event, Said):
        return Said(event.turn, event.number * 2, event.depth + 1)
    return Spoken(event.line, event.number * 2, event.depth + 1)


async def play(
    actions: list[tuple[str, str, int]], work: Habits, watch: Habits, keep: int
) -> Program:
    async with open_bus() as bus:
        program = Program(bus, {name: [bus.new_turn(name)] for name in "cd"})
        program.connect(work, watch, keep)
        async with anyio.create_task_group() as aside:
            for what, where, n in actions:
                await program.do(what, where, n, aside)
        with anyio.fail_after(HANG_SECONDS):
            await bus.settled()
        assert not any(state.lanes for state in bus._conversations.by_id.values())
    return program


def check_counters(program: Program) -> None:
    """Every event that a handler was given either started and ended once, or was dropped."""
    words = [event for event in program.published if isinstance(event, (Said, Spoken))]
    for name in ("work", "watch"):
        steps = Counter(
            trace.step for trace in program.traces if trace.handler.rpartition(".")[2] == name
        )
        assert steps[Step.STARTED] + steps[Step.DROPPED] == len(words)
        ended = steps[Step.FINISHED] + steps[Step.FAILED] + steps[Step.CANCELLED]
        assert ended == steps[Step.STARTED]
    published = Counter(trace.event for trace in program.traces if trace.step is Step.PUBLISHED)
    assert sum(isinstance(event, (Said, Spoken)) for event in published.elements()) == len(words)


def check_drops(program: Program, name: str, overflow: Overflow) -> None:
    """What was given up is counted, and nothing is where publishers wait instead."""
    full = program.names[name]
    dropped = program.bus.dropped[full]
    traced = sum(t.step is Step.DROPPED and t.handler == full for t in program.traces)
    if overflow is Overflow.WAIT:
        assert dropped == 0
    else:  # what is void is dropped as well, and not counted
        assert dropped <= traced
        assert name == "work" or dropped == traced


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=150, deadline=None)
@given(actions=ACTIONS, work=HABITS, watch=HABITS, keep=st.integers(1, 4))
def test_the_promises_hold_for_any_program(
    backend: str, actions: list[tuple[str, str, int]], work: Habits, watch: Habits, keep: int
) -> None:
    program = anyio.run(play, actions, work, watch, keep, backend=backend)
    assert not program.wrong
    for where in "cd":  # everything is remembered, in the order published
        seen = [event for event in program.published if event.turn.conversation == where]
        kept = [event for event in program.kept if event.turn.conversation == where]
        assert kept == seen
    check_counters(program)
    check_drops(program, "work", work.overflow)
    check_drops(program, "watch", watch.overflow)
