"""What is over leaves nothing behind: lanes, conversations, tasks."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.events import Interrupted, UserSaid
from support.bus import Ear, said
from support.waiting import blocked

pytestmark = pytest.mark.anyio


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
