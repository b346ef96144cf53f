"""Every place where something waits has a limit, and says what it gave up. Here they are all."""

from __future__ import annotations

import anyio
import pytest

from aichat.core import Bus, Overflow, Subscription, load_plugins, open_chat
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import AudioReceived, ReplyClause, TranscriptUpdated, UserSaid
from aichat.core.testing.fakes import FakeLlm
from aichat.core.testing.simulated_user import SimulatedUser
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.outbox import OUTBOX, Connection
from aichat.web.realtime.room import KEPT, Room
from support.chat import Given, a_store, all_ready
from support.simulated_engines import engines

pytestmark = pytest.mark.usefixtures("quiet_log")

LANES_OF_A_TURN = 40
"""No conversation of three characters has more lanes at once, whatever its plug-ins."""


def subscriptions(bus: Bus) -> list[Subscription]:
    everywhere = bus._conversations.subscribers
    return [s for s in everywhere if not s.tap] + [
        s for state in bus._conversations.by_id.values() for s in state.subscribers if not s.tap
    ]


async def a_long_talk() -> tuple[list[Subscription], list[tuple[str, int, int]], int]:
    """Talk for half an hour; at each packet look into every lane."""
    given = Given(storage=await a_store(), **engines(4))
    seen: list[tuple[str, int, int]] = []
    lanes = 0
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)

        def look(event: AudioReceived) -> None:
            nonlocal lanes
            for talk in bus._conversations.by_id.values():
                lanes = max(lanes, len(talk.lanes))
                seen.extend(
                    (lane.subscription.name, lane.counted, lane.subscription.limit)
                    for lane in talk.lanes.values()
                )

        bus.tap(look)
        await SimulatedUser(bus, "c", packet_seconds=0.1, breaks_in=0.4, seed=4).talk(30)
        return subscriptions(bus), seen, lanes


def test_every_lane_has_a_limit_and_keeps_it() -> None:
    all_of_them, seen, lanes = run_virtual(a_long_talk)
    names = sorted(one.name.rpartition("plugins.")[2] for one in all_of_them)
    assert len(names) >= 8, names  # they are listed here when this fails
    assert all(1 <= one.limit <= 64 for one in all_of_them), names
    assert all(isinstance(one.overflow, Overflow) for one in all_of_them)
    assert len(seen) > 1_000
    # each publisher that waits for room has its one event in the lane already
    assert all(counted <= limit + 4 for _, counted, limit in seen)
    assert lanes <= LANES_OF_A_TURN


def test_what_a_full_lane_gives_up_is_counted_by_handler() -> None:
    async def program() -> tuple[dict[str, int], int]:
        taken = []

        async with open_chat(*await setup()) as (bus, parts):
            await all_ready(parts)

            async def slow(event: TranscriptUpdated) -> None:
                await anyio.sleep(1)
                taken.append(event)

            bus.subscribe(slow, limit=4, overflow=Overflow.COALESCE)
            turn = bus.turn("c")
            for number in range(100):
                bus.post(TranscriptUpdated(turn, str(number)))
            await bus.settled()
        return dict(bus.dropped), len(taken)

    async def setup():  # type: ignore[no-untyped-def]
        given = Given(storage=await a_store())
        return given.config(), load_plugins(extra=[given])

    dropped, taken = run_virtual(program)
    (name,) = dropped
    assert name.endswith("slow")
    assert dropped[name] + taken == 100
    assert taken <= 2


def test_a_model_that_never_stops_is_held_back_at_every_stage() -> None:
    async def program() -> tuple[int, int]:
        endless = FakeLlm(" ".join(f"This is sentence number {n}." for n in range(3_000)))
        given = Given(storage=await a_store(("Olivia",)), llm=endless)
        clauses = 0

        async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
            await all_ready(parts)

            def count(event: ReplyClause) -> None:
                nonlocal clauses
                clauses += 1

            bus.tap(count)
            await bus.publish(UserSaid(bus.new_turn("c"), "go", "text", "m"))
            await anyio.sleep(20)
            waiting = max(len(lane.queue) for lane in bus._conversations.by_id["c"].lanes.values())
            bus.forget("c")
        return clauses, waiting

    clauses, waiting = run_virtual(program)
    assert clauses < 200  # of 3,000
    assert waiting <= 64


def test_a_client_that_does_not_read_is_let_go_and_holds_a_bounded_outbox() -> None:
    async def program() -> tuple[int, int, list[str]]:
        let_go: list[str] = []
        given = Given(storage=await a_store())
        async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
            room = Room("c", bus, parts, Painter(environment([])))
            room.listen()
            connection = Connection(False, False, lambda: let_go.append("too slow"))
            room.connections.add(connection)
            most, turn = 0, bus.turn("c")
            for number in range(2 * OUTBOX):
                bus.post(TranscriptUpdated(turn, str(number)))
                most = max(most, len(connection.frames))
        return most, len(room.log), let_go

    most, kept, let_go = run_virtual(program)
    assert most <= OUTBOX
    assert kept == KEPT
    assert let_go


def test_one_task_is_asked_to_empty_an_outbox_until_it_says_that_it_rests() -> None:
    asked: list[int] = []
    connection = Connection(False, False, lambda: None, on_frames=lambda: asked.append(1))
    for frame in ("one", "two"):
        connection.put(frame)
    assert len(asked) == 1
    assert [connection.take(), connection.take()] == ["one", "two"]
    connection.rest()
    connection.put("three")
    assert len(asked) == 2


@pytest.mark.parametrize(("patient", "seconds"), [(True, 0.003), (False, 0.0)])
def test_text_that_streams_waits_a_moment_for_company_and_nothing_else_does(
    patient: bool, seconds: float
) -> None:
    async def main() -> float:
        connection = Connection(False, False, lambda: None)
        connection.put("text", patient=patient)
        await connection.gather()
        return anyio.current_time()

    assert run_virtual(main) == pytest.approx(seconds)
