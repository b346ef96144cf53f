"""State of each conversation: there while it is open, gone when it closes, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest
from attrs import Factory, define, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Bus, open_bus
from aichat.core.bus.per_conversation import PerConversation
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import ConversationClosed, Event, Turn

pytestmark = pytest.mark.anyio


@define(eq=False)
class Kept:
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@frozen
class Said(Event):
    seconds: float = 0.0
    """How long it is worked on."""


def kept_by(bus: Bus) -> PerConversation[Kept]:
    return bus.per_conversation(Kept, close=Kept.close)


async def test_it_is_made_on_first_use_and_stays_while_the_conversation_is_open() -> None:
    async with open_bus() as bus:
        values, turn = kept_by(bus), bus.turn("c")
        assert values.get("c") is None
        value = values.of("c")
        await bus.publish(Said(turn))
        assert values.of("c") is value is values.get("c")
        bus.new_turn("c")
        assert values.of("c") is value
        assert not value.closed


async def test_it_goes_after_everybody_has_heard_that_the_conversation_is_closed() -> None:
    async with open_bus() as bus:
        values, turn = kept_by(bus), bus.turn("c")
        value = values.of("c")
        seen: list[Kept | None] = []

        def note(event: ConversationClosed) -> None:
            seen.append(values.get("c"))

        bus.tap(note)
        bus.post(ConversationClosed(turn))
        assert seen == [value]
        assert (value.closed, len(values)) == (1, 0)


async def test_one_that_is_replaced_or_taken_out_is_not_closed() -> None:
    async with open_bus() as bus:
        values, _ = kept_by(bus), bus.turn("c")
        first, second = values.of("c"), values.set("c", Kept())
        assert values.pop("c") is second
        bus.forget("c")
        assert first.closed == second.closed == 0


async def test_a_value_that_cannot_be_closed_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(value: int) -> None:
        raise ValueError("no")

    async with open_bus() as bus:
        bus.turn("c")
        bad, good = bus.per_conversation(int, close=fail), kept_by(bus)
        bad.of("c"), good.of("c")
        bus.forget("c")
        assert not len(bad)
        assert not len(good)
    assert "0 cannot be closed" in caplog.text


async def test_of_a_conversation_that_is_not_open_nothing_is_kept() -> None:
    async with open_bus() as bus:
        values = kept_by(bus)
        assert values.of("never") is not values.of("never")
        assert not len(values)


async def test_what_an_event_after_the_close_makes_goes_with_its_work() -> None:
    async with open_bus() as bus:
        values, turn = kept_by(bus), bus.turn("c")
        during: list[int] = []

        def note(event: Said) -> None:
            values.of("c")

        async def work(event: Said) -> None:
            await anyio.lowlevel.checkpoint()
            during.append(len(values))

        bus.tap(note)
        bus.post(ConversationClosed(turn))
        await bus.publish(Said(turn))
        assert not len(values), "no handler works on it"
        bus.subscribe(work)
        await bus.publish(Said(turn))
        await bus.settled()
        assert (during, len(values)) == ([1], 0)


async def test_what_hears_of_a_late_event_does_not_open_its_conversation_again() -> None:
    async with open_bus() as bus:
        values, turn = kept_by(bus), bus.turn("c")

        def note(event: Said) -> None:
            values.of(bus.turn("c").conversation)

        bus.tap(note)
        bus.forget("c")
        await bus.publish(Said(turn))
        assert not len(values)
        assert not bus._conversations.by_id


async def test_a_handler_that_outlives_its_conversation_does_not_open_it_again() -> None:
    async with open_bus() as bus:
        values, turn, heard = kept_by(bus), bus.turn("c"), list[bool]()

        async def work(event: Said) -> None:
            await anyio.lowlevel.checkpoint()
            bus.forget("c")
            for late in (bus.turn("c"), bus.new_turn("c"), bus.speculative_turn("c")):
                heard.append(bus.is_void(Said(late)))
            assert bus.live_turn("c") is None
            values.of("c")

        bus.subscribe(work)
        await bus.publish(Said(turn))
        await bus.settled()
        assert heard == [True, True, True]
        assert not len(values)
        assert not bus._conversations.by_id
        assert not bus.is_void(Said(bus.turn("c"))), "a client has opened it again"


async def test_one_that_is_opened_again_begins_anew_though_a_handler_of_before_works_on() -> None:
    async with open_bus() as bus:
        values, turn = kept_by(bus), bus.turn("c")

        async def work(event: Said) -> None:
            await anyio.lowlevel.checkpoint()
            values.of("c")
            await go_on.wait()

        go_on = anyio.Event()
        bus.subscribe(work)
        await bus.publish(Said(turn))
        bus.forget("c")
        await anyio.wait_all_tasks_blocked()
        late = values.of("c")
        bus.turn("c")
        assert values.of("c") is not late
        assert late.closed == 1
        value = values.of("c")
        go_on.set()
        await bus.settled()
        assert values.get("c") is value


# -- in any order ----------------------------------------------------------------------------


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "say", "use", "replace", "close", "forget", "wait"]),
        st.sampled_from("cd"),
        st.sampled_from([0.0, 0.5, 2.5]),
    ),
    max_size=40,
)


@define
class Program:
    """One bus whose taps and handlers keep values, and every value that was made."""

    bus: Bus
    values: PerConversation[Kept] = Factory(
        lambda self: self.bus.per_conversation(self.make, close=Kept.close), takes_self=True
    )
    made: list[Kept] = Factory(list)
    turns: dict[str, Turn] = Factory(dict)
    is_open: dict[str, Kept | None] = Factory(dict)
    """The open conversations, each with its value if it is known."""

    def make(self) -> Kept:
        self.made.append(Kept())
        return self.made[-1]

    def hear(self, event: Said | ConversationClosed) -> None:
        self.values.of(event.turn.conversation)

    async def work(self, event: Said) -> None:
        await anyio.sleep(event.seconds)
        self.values.of(event.turn.conversation)
        self.bus.turn(event.turn.conversation)
        await anyio.sleep(event.seconds)
        self.values.of(event.turn.conversation)

    async def step(self, what: str, where: str, seconds: float) -> None:
        bus, values = self.bus, self.values
        if what == "open":
            self.turns[where] = bus.new_turn(where)
            assert where in self.is_open or values.get(where) is None, "it begins anew"
            self.is_open.setdefault(where, None)
        elif what == "say":
            await bus.publish(Said(self.turns.get(where) or Turn(where), seconds))
        elif what == "use":
            values.of(where)
        elif what == "replace":
            now = values.set(where, self.make())
            if where in self.is_open:
                self.is_open[where] = now
        elif what == "close":
            bus.post(ConversationClosed(self.turns.get(where) or Turn(where)))
        elif what == "forget":
            bus.forget(where)
        elif what == "wait":
            await anyio.sleep(seconds)
        if what in ("close", "forget"):
            self.is_open.pop(where, None)
            assert values.get(where) is None

    def check(self) -> None:
        for where, before in self.is_open.items():
            now = self.values.get(where)
            assert before is None or now is before, "it stays while the conversation is open"
            self.is_open[where] = now
        assert all(value.closed <= 1 for value in self.made)


@settings(max_examples=300)
@given(STEPS)
def test_nothing_is_left_of_closed_conversations_in_any_order(
    steps: Sequence[tuple[str, str, float]],
) -> None:
    async def program() -> None:
        async with open_bus() as bus:
            done = Program(bus)
            bus.tap(done.hear)
            bus.subscribe(done.work)
            for step in steps:
                await done.step(*step)
                done.check()
            for where in "cd":
                bus.forget(where)
            await bus.settled()
            assert not len(done.values)
            assert not bus._conversations.by_id

    run_virtual(program)
