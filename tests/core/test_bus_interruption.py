"""An interruption voids what belongs to old turns, at once, and nothing else."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.events import (
    AudioReady,
    Event,
    Interrupted,
    Line,
    LineInterrupted,
    ReplyText,
    SpeakersChosen,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)
from support.bus import Ear, Guess, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


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
        with anyio.fail_after(HANG_SECONDS):
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
        with anyio.fail_after(HANG_SECONDS):
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
        with anyio.fail_after(HANG_SECONDS):
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
        with anyio.fail_after(HANG_SECONDS):
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
        with anyio.fail_after(HANG_SECONDS):
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
        with anyio.fail_after(HANG_SECONDS):
            await bus.publish(said(bus.new_turn("c"), "new"))
            await bus.settled()
    assert spoken == ["new"]
