"""Turns that may never have been: nobody hears of them before it is certain."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Bus, open_bus
from aichat.core.bus.speculation import HELD
from aichat.core.bus.trace import Step, Trace
from aichat.core.errors import BadHandler, BusError
from aichat.core.events import (
    Event,
    HandlerFailed,
    Interrupted,
    MessageAdded,
    TranscriptUpdated,
    Turn,
    TurnFinished,
    UserSaid,
)
from aichat.core.models import Message

pytestmark = pytest.mark.anyio


class Room:
    """Hears everything by tap and by lane, and cannot be interrupted."""

    def __init__(self, bus: Bus) -> None:
        self.tapped: list[Event] = []
        self.handled: list[Event] = []
        bus.tap(self.tap)
        bus.subscribe(self.handle)

    def tap(self, event: Event) -> None:
        self.tapped.append(event)

    async def handle(self, event: Event) -> None:
        self.handled.append(event)


class Worker:
    """Works ahead; says ``went``, or waits for ever."""

    def __init__(self, bus: Bus, *, stuck: bool = False) -> None:
        self.bus, self.stuck = bus, stuck
        self.heard: list[str] = []
        self.cancelled = 0
        bus.subscribe(self.work, interruptible=True, speculative=True)

    async def work(self, event: UserSaid) -> None:
        self.heard.append(event.text)
        try:
            if self.stuck:
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.bus.post(TranscriptUpdated(event.turn, f"re {event.text}"))


def texts(events: list[Event]) -> list[str]:
    return [str(getattr(event, "text", type(event).__name__)) for event in events]


async def test_only_who_works_ahead_hears_of_a_provisional_turn_until_it_is_committed() -> None:
    async with open_bus() as bus:
        room, worker, before = Room(bus), Worker(bus), bus.turn("c")
        turn = bus.speculative_turn("c")
        await bus.publish(UserSaid(turn, "hi"))
        await bus.settled()
        assert worker.heard == ["hi"]
        assert room.tapped == []
        assert bus.turn("c") == before
        assert bus.live_turn("c") is None
        assert bus.commit(turn)
        assert bus.turn("c") == bus.live_turn("c") == turn
        await bus.publish(UserSaid(turn, "more"))
        await bus.settled()
        assert texts(room.tapped) == texts(room.handled) == ["hi", "re hi", "more", "re more"]
        assert worker.heard == ["hi", "more"], "who worked ahead heard something twice"
        assert not bus.commit(turn)
        assert not bus.revoke(turn)


async def test_of_a_revoked_turn_nobody_hears_even_what_its_worker_says_late() -> None:
    async with open_bus() as bus:
        room, worker = Room(bus), Worker(bus, stuck=True)
        turn = bus.speculative_turn("c")
        await bus.publish(UserSaid(turn, "hi"))
        await anyio.wait_all_tasks_blocked()
        assert bus.revoke(turn)
        await bus.settled()
        assert worker.cancelled == 1
        await bus.publish(UserSaid(turn, "late"))
        bus.post(TranscriptUpdated(turn, "later"))
        await bus.settled()
        assert room.tapped == []
        assert worker.heard == ["hi"]
        assert not bus.commit(turn)
        assert bus.is_void(UserSaid(turn, "late"))


async def test_the_next_turn_works_after_a_revoked_one() -> None:
    async with open_bus() as bus:
        room = Room(bus)
        bus.revoke(bus.speculative_turn("c"))
        await bus.publish(UserSaid(bus.new_turn("c"), "hi"))
        assert texts(room.tapped) == ["hi"]


async def test_a_new_turn_another_provisional_one_and_the_end_revoke_it() -> None:
    async with open_bus() as bus:
        room = Room(bus)
        first = bus.speculative_turn("c")
        second = bus.speculative_turn("c")
        assert not bus.commit(first)
        await bus.publish(UserSaid(bus.new_turn("c"), "typed"))
        assert not bus.commit(second)
        bus.interrupt(Interrupted(bus.turn("c")))
        third = bus.speculative_turn("c")
        bus.forget("c")
        assert not bus.commit(third)
        assert texts(room.tapped) == ["typed", "Interrupted"]


async def test_none_may_begin_while_a_turn_goes_on() -> None:
    async with open_bus() as bus:
        turn = bus.new_turn("c")
        with pytest.raises(BusError, match="going on"):
            bus.speculative_turn("c")
        await bus.publish(TurnFinished(turn))
        assert bus.commit(bus.speculative_turn("c"))


async def test_a_failure_in_it_is_told_when_it_is_committed_or_never() -> None:
    async def fail(event: UserSaid) -> None:
        raise RuntimeError("no model")

    for commit in (True, False):
        async with open_bus() as bus:
            bus.subscribe(fail, interruptible=True, speculative=True)
            room = Room(bus)
            turn = bus.speculative_turn("c")
            await bus.publish(UserSaid(turn, "hi"))
            await bus.settled()
            assert room.tapped == []
            assert (bus.commit if commit else bus.revoke)(turn)
            await bus.settled()
            failures = [event for event in room.tapped if isinstance(event, HandlerFailed)]
            assert len(failures) == commit


async def test_what_a_recorder_says_on_the_commit_comes_after_what_it_heard() -> None:
    async with open_bus() as bus:
        room = Room(bus)

        def record(event: UserSaid) -> None:
            message = Message("m", "c", "user", event.text)
            bus.post(MessageAdded(event.turn, message))

        bus.tap(record)
        turn = bus.speculative_turn("c")
        await bus.publish(UserSaid(turn, "hi"))
        bus.post(TranscriptUpdated(turn, "and"))
        bus.commit(turn)
        await bus.settled()
        assert texts(room.tapped) == ["hi", "MessageAdded", "and"]


async def test_a_taps_gate_is_passed_after_the_commit() -> None:
    async with open_bus() as bus:
        passed: list[str] = []

        def gated(event: UserSaid):
            async def gate() -> None:
                await anyio.lowlevel.checkpoint()
                passed.append(event.text)

            return gate

        bus.tap(gated)
        turn = bus.speculative_turn("c")
        for text in "abc":
            await bus.publish(UserSaid(turn, text))
        assert passed == []
        bus.commit(turn)
        await bus.settled()
        assert passed == ["a", "b", "c"]


async def test_who_says_too_much_ahead_waits_for_the_commit() -> None:
    async with open_bus() as bus:
        room, turn = Room(bus), bus.speculative_turn("c")
        said = 0

        async def say() -> None:
            nonlocal said
            for _ in range(HELD + 100):
                await bus.publish(UserSaid(turn, "x"))
                said += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say)
            await anyio.wait_all_tasks_blocked()
            assert said == HELD
            bus.commit(turn)
        await bus.settled()
        assert len(room.handled) == HELD + 100


async def test_waiting_for_the_commit_ends_with_it_or_with_the_turn() -> None:
    for commit in (True, False):
        async with open_bus() as bus:
            went: list[str] = []

            async def work(event: UserSaid, bus: Bus = bus, went: list[str] = went) -> None:
                await bus.committed(event.turn)
                went.append(event.text)

            bus.subscribe(work, interruptible=True, speculative=True)
            turn = bus.speculative_turn("c")
            await bus.publish(UserSaid(turn, "hi"))
            await anyio.wait_all_tasks_blocked()
            assert went == []
            (bus.commit if commit else bus.revoke)(turn)
            await bus.settled()
            assert went == (["hi"] if commit else [])
            await bus.committed(turn)  # nobody waits for what is decided


async def test_observers_see_that_events_were_held_and_what_became_of_them() -> None:
    async with open_bus() as bus:
        steps: list[Step] = []

        def observe(trace: Trace) -> None:
            steps.append(trace.step)

        bus.observe(observe)
        for decide in (bus.commit, bus.revoke):
            turn = bus.speculative_turn("c")
            bus.post(TranscriptUpdated(turn, "hi"))
            decide(turn)
            bus.post(Interrupted(turn))
            bus.interrupt(Interrupted(turn))
            steps.append(Step.FAILED)  # between the two
        first, second = steps[: steps.index(Step.FAILED)], steps[steps.index(Step.FAILED) + 1 :]
        assert first[:2] == [Step.HELD, Step.PUBLISHED]
        assert second[:2] == [Step.HELD, Step.DROPPED]


def test_who_cannot_be_stopped_cannot_work_ahead() -> None:
    async def main() -> None:
        async def work(event: UserSaid) -> None: ...

        async with open_bus() as bus:
            with pytest.raises(BadHandler, match="speculative"):
                bus.subscribe(work, speculative=True)

    anyio.run(main)


PROGRAM = st.lists(
    st.sampled_from(["suppose", "say", "post", "commit", "revoke", "new", "over", "late", "wait"]),
    max_size=40,
)


@settings(deadline=None)
@given(PROGRAM)
def test_whatever_happens_the_room_hears_committed_turns_whole_and_of_others_nothing(
    program: list[str],
) -> None:
    async def main() -> None:
        async with open_bus() as bus:
            room = Room(bus)
            Worker(bus, stuck=False)
            said: dict[Turn, list[str]] = {}
            certain: set[Turn] = set()
            turn = bus.turn("c")
            certain.add(turn)
            gone: list[Turn] = []
            for number, step in enumerate(program):
                if step == "suppose" and bus.live_turn("c") is None:
                    gone.append(turn)
                    turn = bus.speculative_turn("c")
                elif step == "new":
                    gone.append(turn)
                    turn = bus.new_turn("c")
                    certain.add(turn)
                elif step == "commit" and bus.commit(turn):
                    certain.add(turn)
                elif step == "revoke":
                    bus.revoke(turn)
                elif step == "over" and bus.live_turn("c"):
                    await bus.publish(TurnFinished(bus.turn("c")))
                elif step in ("say", "post", "late"):
                    where = gone[-1] if step == "late" and gone else turn
                    said.setdefault(where, []).append(f"{number}")
                    kind = TranscriptUpdated if step == "post" else UserSaid
                    await bus.publish(kind(where, f"{number}"))
                elif step == "wait":
                    await bus.settled()
            await bus.settled()
            heard = [
                event for event in room.tapped if isinstance(event, (UserSaid, TranscriptUpdated))
            ]
            assert {event.turn for event in heard} <= certain
            for one in certain:
                plain = [e.text for e in heard if e.turn == one and not e.text.startswith("re ")]
                assert plain == said.get(one, []), "order, and nothing lost or twice"
            assert sorted(map(id, room.tapped)) == sorted(map(id, room.handled))

    anyio.run(main)
