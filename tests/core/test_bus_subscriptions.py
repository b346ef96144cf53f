"""Who hears an event: subscriptions by type and conversation, taps, and wrong handlers."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.lowlevel
import pytest

from aichat.core import open_bus
from aichat.core.errors import BadHandler
from aichat.core.events import Event, Interrupted, UserSaid
from support.bus import Ear, Guess, said
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


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


async def test_a_subscription_may_be_for_one_conversation_and_can_be_ended() -> None:
    ear = Ear()
    async with open_bus() as bus:
        subscription = bus.subscribe(ear.hear, conversation="c")
        await bus.publish(said(bus.turn("c"), "in"))
        await bus.publish(said(bus.turn("d"), "elsewhere"))
        await bus.settled()
        bus.unsubscribe(subscription)
        await bus.publish(said(bus.turn("c"), "out"))
        await bus.settled()
    assert ear.heard == ["in"]


async def test_unsubscribing_cancels_what_the_handler_does_and_drops_what_waits() -> None:
    ear = Ear()
    ear.hold()
    async with open_bus() as bus:
        turn = bus.turn("c")
        subscription = bus.subscribe(ear.hear)
        for text in "ab":
            await bus.publish(said(turn, text))
        await blocked()
        bus.unsubscribe(subscription)
        with anyio.fail_after(HANG_SECONDS):
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
