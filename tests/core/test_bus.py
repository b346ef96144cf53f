"""What the bus promises."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest
from attrs import field, frozen

from aichat.core import AichatError, Bus, Overflow, open_bus
from aichat.core.bus.trace import Step, Trace
from aichat.core.errors import BadHandler, BusClosed, BusError
from aichat.core.events import (
    AudioReady,
    Event,
    HandlerFailed,
    Interrupted,
    Line,
    LineInterrupted,
    ReplyText,
    SpeakersChosen,
    Turn,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)

pytestmark = pytest.mark.anyio

NO_WAIT = 5  # seconds: a test that waits longer hangs


@frozen
class Guess(Event):
    """An event of a plug-in's own."""

    text: str = field(repr=False)


def said(turn: Turn, text: str = "hi") -> UserSaid:
    return UserSaid(turn, text)


async def blocked() -> None:
    """Let everybody get as far as they can without us."""
    with anyio.fail_after(NO_WAIT):
        await anyio.wait_all_tasks_blocked()


class Ear:
    """A handler that remembers what it heard, and holds back when it is told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.open = anyio.Event()
        self.open.set()

    def hold(self) -> None:
        self.open = anyio.Event()

    async def hear(self, event: UserSaid | Guess | Interrupted) -> None:
        await self.open.wait()
        self.heard.append("!" if isinstance(event, Interrupted) else event.text)


# -- listening -------------------------------------------------------------------------------


async def test_a_handler_gets_the_types_its_annotation_names_and_their_subclasses() -> None:
    some: list[type] = []
    every: list[type] = []

    async def both(event: UserSaid | Interrupted) -> None:
        some.append(type(event))

    async def all_kinds(event: Event) -> None:
        every.append(type(event))

    async with open_bus() as bus:
        turn = bus.turn("c")
        bus.subscribe(both)
        bus.subscribe(all_kinds)
        for event in (said(turn), Guess(turn, "h"), Interrupted(turn)):
            await bus.publish(event)
    assert some == [UserSaid, Interrupted]
    assert every == [UserSaid, Guess, Interrupted]


async def test_a_subscription_may_be_for_one_conversation_and_ends_with_its_block() -> None:
    ear = Ear()
    async with open_bus() as bus:
        with bus.subscribed(ear.hear, conversation="c"):
            await bus.publish(said(bus.turn("c"), "in"))
            await bus.publish(said(bus.turn("d"), "elsewhere"))
            await bus.settled()
        await bus.publish(said(bus.turn("c"), "out"))
        await bus.settled()
    assert ear.heard == ["in"]


async def test_leaving_the_block_cancels_what_the_handler_does_and_drops_what_waits() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        turn = bus.turn("c")
        with bus.subscribed(ear.hear):
            for text in "ab":
                await bus.publish(said(turn, text))
            await blocked()
        with anyio.fail_after(NO_WAIT):
            await bus.settled()
    assert ear.heard == []


async def test_a_tap_is_called_at_once_and_before_the_lanes() -> None:
    heard: list[str] = []

    def tap(event: UserSaid) -> None:
        heard.append("tap")

    async def lane(event: UserSaid) -> None:
        heard.append("lane")

    async with open_bus() as bus:
        bus.subscribe(lane)
        bus.tap(tap)
        await bus.publish(said(bus.turn("c")))
    assert heard == ["tap", "lane"]


async def test_a_wrong_handler_is_told_the_mend() -> None:
    async def bare(event) -> None: ...  # type: ignore[no-untyped-def]

    async def nothing() -> None: ...

    async def number(event: int) -> None: ...

    async def maybe(event: UserSaid | None) -> None: ...

    async def unknown(event: UserSay) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def plain(event: UserSaid) -> None: ...

    async def fine(event: UserSaid) -> None: ...

    class Callable_:  # noqa: N801
        async def __call__(self, event: UserSaid) -> None: ...

    async with open_bus() as bus:
        for handler in (bare, nothing, number, maybe, unknown, plain, partial(fine), Callable_()):
            with pytest.raises(BadHandler, match=r"(?s)\n  Hint: (Annotate|Write)"):
                bus.subscribe(handler)  # type: ignore[arg-type]
        with pytest.raises(BadHandler, match="or use subscribe"):
            bus.tap(fine)  # type: ignore[arg-type]
        with pytest.raises(BadHandler, match="limit of 1"):
            bus.subscribe(fine, limit=0)


# -- order -----------------------------------------------------------------------------------


async def test_a_lane_handles_its_events_one_at_a_time_in_the_order_published() -> None:
    running, log = 0, []

    async def work(event: UserSaid | Guess) -> None:
        nonlocal running
        running += 1
        assert running == 1
        for _ in range(3 if event.text in "ac" else 0):
            await anyio.lowlevel.checkpoint()
        log.append(event.text)
        running -= 1

    async with open_bus() as bus:
        bus.subscribe(work)
        turn = bus.turn("c")
        for text in "abcdef":
            kind = UserSaid if text in "ace" else Guess
            await bus.publish(kind(turn, text))
    assert "".join(log) == "abcdef"


async def test_lane_by_lets_characters_speak_side_by_side_each_in_order() -> None:
    running, most, gate = 0, 0, anyio.Event()
    spoken: dict[int, list[int]] = {}

    async def speak(event: ReplyText) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        spoken.setdefault(event.line.place, []).append(event.index)
        running -= 1

    async with open_bus() as bus:
        bus.subscribe(speak, lane_by=lambda event: event.line.place)
        turn = bus.turn("c")
        for index in range(3):
            for place in range(3):
                await bus.publish(ReplyText(Line(turn, "n", place), "x", index))
        await blocked()
        gate.set()
    assert most == 3
    assert spoken == {0: [0, 1, 2], 1: [0, 1, 2], 2: [0, 1, 2]}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio starts tasks in random order
async def test_who_remembers_hears_before_who_acts(anyio_backend: str) -> None:
    log: list[str] = []

    async def act(event: UserSaid) -> None:
        log.append("act")

    async def remember(event: UserSaid) -> None:
        log.append("remember")

    def act_now(event: UserSaid) -> None:
        log.append("act now")

    def remember_now(event: UserSaid) -> None:
        log.append("remember now")

    async with open_bus() as bus:
        bus.subscribe(act, interruptible=True)
        bus.subscribe(remember)
        bus.tap(act_now, interruptible=True)
        bus.tap(remember_now)
        await bus.publish(said(bus.turn("c")))
    assert log == ["remember now", "act now", "remember", "act"]


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


# -- bounds ----------------------------------------------------------------------------------


async def test_publish_waits_while_a_lane_is_full_but_urgent_events_do_not() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        bus.subscribe(ear.hear, limit=2)
        turn = bus.turn("c")
        with anyio.fail_after(NO_WAIT):
            for text in "abc":  # one in hand, two waiting
                await bus.publish(said(turn, text))
                await blocked()
        with anyio.move_on_after(0.02) as late:
            await bus.publish(said(turn, "d"))
        assert late.cancelled_caught
        with anyio.fail_after(NO_WAIT):
            await bus.publish(Interrupted(turn))
        ear.open.set()
        with anyio.fail_after(NO_WAIT):
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


async def test_a_handler_may_fill_its_own_lane_over_and_over() -> None:
    heard: list[str] = []
    async with open_bus() as bus:

        async def burst(event: UserSaid) -> None:
            heard.append(event.text)
            if event.text == "go":
                for text in "abc":
                    await bus.publish(said(event.turn, text))

        bus.subscribe(burst, limit=1)
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.turn("c"), "go"))
            await bus.settled()
    assert heard == ["go", "a", "b", "c"]


async def test_two_lanes_that_fill_each_other_do_not_deadlock() -> None:
    left, right = 0, 0
    async with open_bus() as bus:

        async def ping(event: UserSaid) -> None:
            nonlocal left
            left += 1
            for _ in range(3 if left < 30 else 0):
                await bus.publish(Guess(event.turn, "x"))

        async def pong(event: Guess) -> None:
            nonlocal right
            right += 1
            for _ in range(2 if right < 60 else 0):
                await bus.publish(said(event.turn))

        bus.subscribe(ping, limit=1)
        bus.subscribe(pong, limit=1)
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.turn("c")))
            await bus.settled()
    assert left >= 30
    assert right >= 60


async def test_a_ring_of_three_lanes_and_a_crowd_of_publishers_do_not_deadlock() -> None:
    passed = 0
    async with open_bus() as bus:
        turn = bus.turn("c")

        async def one(event: UserSaid) -> None:
            for _ in range(2):
                await bus.publish(Guess(event.turn, event.text))

        async def two(event: Guess) -> None:
            await bus.publish(ReplyText(Line(event.turn, "n", 0), event.text))

        async def three(event: ReplyText) -> None:
            nonlocal passed
            passed += 1
            if len(event.text) < 4:
                await bus.publish(said(event.turn, event.text + "+"))

        for handler in (one, two, three):
            bus.subscribe(handler, limit=1)  # type: ignore[arg-type]
        with anyio.fail_after(NO_WAIT):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(bus.publish, said(turn, "+"))
            await bus.settled()
    assert passed == 4 * (2 + 4 + 8 + 16)


async def test_a_handler_whose_children_publish_to_its_own_lane_does_not_deadlock() -> None:
    heard: list[str] = []
    async with open_bus() as bus:

        async def fan_out(event: UserSaid) -> None:
            heard.append(event.text)
            if event.text == "go":
                async with anyio.create_task_group() as tasks:
                    for text in "abc":
                        tasks.start_soon(bus.publish, said(event.turn, text))

        bus.subscribe(fan_out, limit=1)
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.turn("c"), "go"))
            await bus.settled()
    assert sorted(heard) == ["a", "b", "c", "go"]


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
        with anyio.fail_after(NO_WAIT):
            for _ in range(5):
                await bus.publish(said(turn, "guest"))
        stop = True


async def test_two_lanes_that_come_to_wait_for_each_other_late_do_not_deadlock() -> None:
    third = Ear()
    third.hold()
    async with open_bus() as bus:

        async def first(event: UserSaid) -> None:
            if event.text == "go":
                await bus.publish(Guess(event.turn, "go"))  # waits for third, then for second

        async def hear(event: Guess) -> None:
            await third.open.wait()

        async def second(event: Guess) -> None:
            if event.text == "go back":
                await blocked()  # until first waits for third
                for _ in range(3):
                    await bus.publish(said(event.turn))

        bus.subscribe(hear, limit=1)
        bus.subscribe(second, interruptible=True, limit=1)
        bus.subscribe(first, limit=1)
        turn = bus.turn("c")
        await bus.publish(Guess(turn, "go back"))
        await bus.publish(Guess(turn, "fills"))
        await bus.publish(said(turn, "go"))
        await blocked()
        third.open.set()
        with anyio.fail_after(NO_WAIT):
            await bus.settled()


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
        with anyio.fail_after(NO_WAIT):
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
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.new_turn("c"), "new"))
            await bus.settled()
    assert spoken == ["new"]


# -- interruption ----------------------------------------------------------------------------


async def test_an_interrupt_cancels_voids_and_spares_who_remembers() -> None:
    spoken: list[str] = []
    kept = Ear()

    async def speak(event: UserSaid) -> None:
        if event.text == "a":
            await anyio.sleep_forever()
        spoken.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(speak, interruptible=True)
        bus.subscribe(kept.hear)
        old = bus.new_turn("c")
        for text in "ab":
            await bus.publish(said(old, text))
        await blocked()
        bus.interrupt(Interrupted(old))
        await bus.publish(said(old, "late"))
        await bus.publish(said(bus.new_turn("c"), "new"))
        with anyio.fail_after(NO_WAIT):
            await bus.settled()
    assert spoken == ["new"]
    assert kept.heard == ["a", "b", "!", "late", "new"]


async def test_an_interrupt_voids_the_turns_before_and_no_other_conversation() -> None:
    spoken: list[str] = []

    async def speak(event: UserSaid) -> None:
        spoken.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(speak, interruptible=True)
        first, second, other = bus.new_turn("c"), bus.new_turn("c"), bus.new_turn("d")
        third = bus.new_turn("c")
        bus.interrupt(Interrupted(second))
        for turn, text in ((first, "1"), (second, "2"), (third, "3"), (other, "d")):
            assert bus.is_void(said(turn)) is (text in "12")
            await bus.publish(said(turn, text))
    assert sorted(spoken) == ["3", "d"]  # two conversations are in no order


async def test_the_fence_stands_before_interrupt_returns_and_also_for_taps() -> None:
    seen: list[str] = []

    def fast(event: AudioReady) -> None:
        seen.append("voided")

    def recorder(event: AudioReady) -> None:
        seen.append("recorded")

    async with open_bus() as bus:
        bus.tap(fast, interruptible=True)
        bus.tap(recorder)
        turn = bus.new_turn("c")
        bus.interrupt(Interrupted(turn))
        await bus.publish(AudioReady(Line(turn, "n", 0), 0, b""))  # a late chunk
    assert seen == ["recorded"]


async def test_an_interruptible_handler_hears_the_interruption_and_what_is_urgent() -> None:
    heard: list[type] = []

    async def everything(event: Event) -> None:
        heard.append(type(event))

    async with open_bus() as bus:
        bus.subscribe(everything, interruptible=True)
        turn = bus.new_turn("c")
        bus.interrupt(Interrupted(turn))
        await bus.publish(said(turn))
        bus.post(UserStartedSpeaking(turn))
    assert heard == [Interrupted, UserStartedSpeaking]


async def test_a_line_interruption_voids_one_line_and_the_next_goes_on() -> None:
    spoken: list[str] = []

    async def speak(event: ReplyText) -> None:
        if event.text == "stuck":
            await anyio.sleep_forever()
        spoken.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(speak, interruptible=True)
        turn = bus.new_turn("c")
        one, two = Line(turn, "one", 0), Line(turn, "two", 1)
        for line, text in ((one, "stuck"), (one, "waits"), (two, "next")):
            await bus.publish(ReplyText(line, text))
        await blocked()
        bus.interrupt(LineInterrupted(one))
        await bus.publish(ReplyText(one, "late"))
        with anyio.fail_after(NO_WAIT):
            await bus.settled()
        assert bus.live_turn("c") == turn
    assert spoken == ["next"]


async def test_a_stopped_line_stays_void_when_the_next_turn_begins() -> None:
    async with open_bus() as bus:
        line = Line(bus.new_turn("c"), "n", 0)
        bus.interrupt(LineInterrupted(line))
        bus.new_turn("c")
        assert bus.is_void(ReplyText(line, "late"))


async def test_a_handler_may_interrupt_its_own_turn() -> None:
    went_on = False
    async with open_bus() as bus:

        async def stop(event: UserSaid) -> None:
            nonlocal went_on
            bus.interrupt(Interrupted(event.turn))
            await anyio.lowlevel.checkpoint()
            went_on = True

        bus.subscribe(stop, interruptible=True)
        await bus.publish(said(bus.new_turn("c")))
        with anyio.fail_after(NO_WAIT):
            await bus.settled()
    assert not went_on


async def test_live_turn_is_the_turn_begun_not_finished_not_interrupted() -> None:
    async with open_bus() as bus:
        assert bus.live_turn("c") is None
        assert bus.turn("c") == bus.turn("c")
        assert bus.live_turn("c") is None  # a conversation begins in silence
        first = bus.new_turn("c")
        assert bus.live_turn("c") == bus.turn("c") == first
        second = bus.new_turn("c")
        await bus.publish(TurnFinished(first))  # a stale end does not end the turn after it
        bus.interrupt(Interrupted(first))
        assert bus.live_turn("c") == second
        await bus.publish(TurnFinished(second))
        assert bus.live_turn("c") is None
        third = bus.new_turn("c")
        bus.interrupt(Interrupted(third))
        assert bus.live_turn("c") is None
        assert bus.turn("c") == third


async def test_turn_numbers_are_never_used_twice_and_each_turn_has_its_own_id() -> None:
    async with open_bus() as bus:
        turns = [bus.new_turn(name) for name in "cdcdc"]
        bus.forget("c")
        turns += [bus.turn("c"), bus.new_turn("c")]
    numbers = [turn.number for turn in turns]
    assert numbers == sorted(set(numbers))
    assert len({turn.id for turn in turns}) == len(turns)


# -- the bugs of others ----------------------------------------------------------------------


@pytest.mark.parametrize("interruptible", [False, True])
async def test_a_stuck_handler_that_nobody_can_cancel_does_not_keep_others_from_it(
    interruptible: bool,
) -> None:
    freed, release = [], anyio.Event()

    async def stuck(event: UserSaid) -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()

    async def polite(event: UserSaid) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            freed.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(stuck, interruptible=interruptible)
        bus.subscribe(polite, interruptible=True)
        turn = bus.new_turn("c")
        await bus.publish(said(turn))
        await blocked()
        bus.interrupt(Interrupted(turn))
        await blocked()
        assert freed == ["hi"]
        release.set()


async def test_an_interrupt_does_not_overtake_words_already_spoken() -> None:
    history, writer_went_on = Ear(), False
    history.hold()
    async with open_bus() as bus:

        async def write(event: SpeakersChosen) -> None:
            nonlocal writer_went_on
            for word in ("one", "two", "three"):  # the third finds the lane full
                await bus.publish(Guess(event.turn, word))
            writer_went_on = True

        bus.subscribe(write, interruptible=True)
        bus.subscribe(history.hear, limit=1)
        turn = bus.new_turn("c")
        await bus.publish(SpeakersChosen(turn, ()))
        await blocked()
        bus.interrupt(Interrupted(turn))
        await blocked()
        assert not writer_went_on
        history.open.set()
        with anyio.fail_after(NO_WAIT):
            await bus.settled()
    assert history.heard == ["one", "two", "three", "!"]


async def test_a_stale_sentinel_of_a_void_turn_does_not_swallow_the_next() -> None:
    played: list[str] = []
    finished: list[int] = []

    async def play(event: UserSaid | TurnFinished) -> None:
        if isinstance(event, TurnFinished):
            finished.append(event.turn.number)
        else:
            played.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(play, interruptible=True)
        old = bus.new_turn("c")
        bus.interrupt(Interrupted(old))
        new = bus.new_turn("c")
        await bus.publish(TurnFinished(old))
        await bus.publish(said(new, "next"))
        assert bus.live_turn("c") == new
    assert played == ["next"]
    assert finished == []


async def test_there_is_no_silence_after_many_interrupts() -> None:
    spoken: list[str] = []
    async with open_bus() as bus:

        async def speak(event: UserSaid) -> None:
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            spoken.append(event.text)

        bus.subscribe(speak, interruptible=True, limit=1)
        for number in range(50):
            turn = bus.new_turn("c")
            await bus.publish(said(turn, str(number)))
            for _ in range(number % 4):
                await anyio.lowlevel.checkpoint()
            bus.interrupt(Interrupted(turn))
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.new_turn("c"), "heard"))
            await bus.settled()
    assert spoken[-1] == "heard"


async def test_a_publisher_of_the_new_turn_is_not_held_up_by_void_events_that_wait() -> None:
    spoken: list[str] = []

    async def speak(event: UserSaid) -> None:
        if event.text == "old":
            await anyio.sleep_forever()
        spoken.append(event.text)

    async with open_bus() as bus, anyio.create_task_group() as tasks:
        bus.subscribe(speak, interruptible=True, limit=1)
        old = bus.new_turn("c")
        for _ in range(5):
            tasks.start_soon(bus.publish, said(old, "old"))
        await blocked()
        bus.interrupt(Interrupted(old))
        with anyio.fail_after(NO_WAIT):
            await bus.publish(said(bus.new_turn("c"), "new"))
            await bus.settled()
    assert spoken == ["new"]


# -- containment -----------------------------------------------------------------------------


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


# -- the end ---------------------------------------------------------------------------------


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

    with anyio.fail_after(NO_WAIT):
        async with anyio.create_task_group() as tasks, open_bus(drain_seconds=0.05) as bus:
            bus.observe(lambda trace: steps.append(trace.step))
            bus.subscribe(forever, limit=2)
            tasks.start_soon(publisher, bus, bus.turn("c"))
            await blocked()
            tasks.start_soon(waiter, bus)
    assert sorted(let_go) == ["publisher", "waiter"]
    assert steps.count(Step.CANCELLED) == 1
    assert steps.count(Step.DROPPED) == 3


async def test_only_urgent_events_are_posted() -> None:
    async with open_bus() as bus:
        turn = bus.new_turn("c")
        with pytest.raises(BusError, match="Hint: Use `await publish"):
            bus.post(said(turn))
        with pytest.raises(BusError):
            bus.interrupt(said(turn))
        assert not bus.is_void(said(turn))  # refused before the fence was set


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


# -- no leaks --------------------------------------------------------------------------------


async def test_no_lane_outlives_its_work() -> None:
    async def ok(event: UserSaid) -> None: ...

    async with open_bus() as bus:
        bus.subscribe(ok)
        bus.subscribe(ok, lane_by=lambda event: event.text)
        for number in range(100):
            await bus.publish(said(bus.turn(str(number % 7)), str(number)))
        await bus.settled()
        assert not any(talk.lanes for talk in bus._conversations.by_id.values())


async def test_a_forgotten_conversation_leaves_nothing_and_its_late_events_are_void() -> None:
    spoken: list[str] = []
    kept = Ear()

    async def speak(event: UserSaid) -> None:
        if event.text == "stuck":
            await anyio.sleep_forever()
        spoken.append(event.text)

    async with open_bus() as bus:
        bus.subscribe(speak, interruptible=True)
        bus.subscribe(kept.hear)
        turn = bus.new_turn("c")
        for text in ("stuck", "waits"):
            await bus.publish(said(turn, text))
        await blocked()
        bus.forget("c")
        bus.forget("never heard of")
        assert bus.live_turn("c") is None
        await bus.publish(said(turn, "late"))
        await bus.settled()
        assert not bus._conversations.by_id  # and the late event did not bring it back
        await bus.publish(said(bus.new_turn("c"), "again"))
    assert spoken == ["again"]
    assert kept.heard == ["stuck", "waits", "late", "again"]


async def test_a_conversation_that_is_entered_again_keeps_the_order_of_its_records() -> None:
    kept = Ear()
    kept.hold()
    async with open_bus() as bus:
        bus.subscribe(kept.hear)
        for text in "ab":
            await bus.publish(said(bus.turn("c"), text))
        await blocked()
        bus.forget("c")
        await bus.publish(said(bus.new_turn("c"), "c"))
        await blocked()
        kept.open.set()
    assert kept.heard == ["a", "b", "c"]


async def test_what_a_tap_posts_from_within_a_late_event_is_handled_too() -> None:
    heard: list[str] = []
    async with open_bus() as bus:
        turn = bus.new_turn("c")

        def nested(event: UserSaid) -> None:
            bus.post(Interrupted(event.turn))

        async def lane(event: UserSaid | Interrupted) -> None:
            heard.append(type(event).__name__)

        bus.tap(nested)
        bus.subscribe(lane)
        bus.forget("c")
        await bus.publish(said(turn))
        await bus.settled()
        assert not bus._conversations.by_id
    assert heard == ["Interrupted", "UserSaid"]


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


async def test_handlers_tasks_are_used_again_and_never_more_than_needed() -> None:
    tasks: set[int] = set()

    async def who(event: UserSaid) -> None:
        tasks.add(anyio.get_current_task().id)

    async with open_bus() as bus:
        bus.subscribe(who)
        turn = bus.new_turn("c")
        for text in "abcdefgh":
            await bus.publish(said(turn, text))
            await bus.settled()
    assert len(tasks) == 1
