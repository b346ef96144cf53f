"""What two do at the same moment: nothing is taken from one by what the other began before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import (
    Bus,
    Character,
    Conflict,
    Conversation,
    Message,
    NotFound,
    Parts,
    Voice,
    load_plugins,
    open_chat,
)
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import ConversationClosed, MessageDeleted
from aichat.core.memory_storage import MemoryStorage
from aichat.web.access.turn_limits import Paces
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.hidden_messages import HiddenMessages
from aichat.web.realtime.outbox import Connection
from aichat.web.realtime.rooms import Rooms
from aichat.web.realtime.sessions import LINGER_SECONDS
from aichat.web.services.archive.reading import _Taking
from aichat.web.services.archive.rollback import Rollback
from aichat.web.services.conversation_list import Listing
from aichat.web.services.undo.messages import DeletedMessages
from aichat.web.services.undo.pending_deletions import UNDO_SECONDS, PendingDeletions
from support.chat import Given, a_store, all_ready
from support.slow_store import a_slow_store


def run_rooms(program: Callable[..., object], store: MemoryStorage | None = None) -> None:
    """Run *program* with the rooms, the bus and the parts of a chat, on virtual time."""

    async def main() -> None:
        given_ = Given(storage=store or await a_store())
        async with (
            open_chat(given_.config(), load_plugins(extra=[given_])) as (bus, parts),
            anyio.create_task_group() as tasks,
        ):
            await all_ready(parts)
            paces = Paces.by(given_.config().web, bus.clock.now)
            rooms = Rooms(bus, parts, Painter(environment([])), tasks, paces)
            await program(rooms, bus, parts)  # type: ignore[misc]
            tasks.cancel_scope.cancel()

    run_virtual(main)


# -- timers that end when somebody comes ---------------------------------------------------------


@given(st.sampled_from([-0.001, 0.0, 0.001]), st.booleans())
def test_what_is_taken_back_at_the_last_moment_is_either_there_or_gone(
    late: float, sooner: bool
) -> None:
    async def main() -> None:
        gone: list[str] = []

        async def delete() -> None:
            gone.append("it")

        async with anyio.create_task_group() as tasks:
            pending, kept = PendingDeletions(tasks), False

            async def take_back() -> None:
                nonlocal kept
                await anyio.sleep(UNDO_SECONDS + late)
                try:
                    pending.restore("it")
                except NotFound:
                    return
                kept = True

            if sooner:
                tasks.start_soon(take_back)
                await anyio.lowlevel.checkpoint()
            pending.begin("it", delete)
            if not sooner:
                tasks.start_soon(take_back)
        assert kept != bool(gone)

    run_virtual(main)


def test_what_is_taken_back_while_its_timer_has_just_ended_stays() -> None:
    async def main() -> None:
        gone: list[str] = []

        async def delete() -> None:
            gone.append("it")

        async with anyio.create_task_group() as tasks:
            pending = PendingDeletions(tasks)

            async def take_back() -> None:  # its timer ends in the same round, before the other's
                await anyio.sleep(UNDO_SECONDS)
                pending.restore("it")

            tasks.start_soon(take_back)
            pending.begin("it", delete)
        assert not gone

    run_virtual(main)


def test_a_deletion_that_breaks_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async def delete() -> None:
            raise OSError("the disk")

        async with anyio.create_task_group() as tasks:
            PendingDeletions(tasks).begin("it", delete)
            await anyio.sleep(UNDO_SECONDS + 1)

    run_virtual(main)
    assert "Something could not be deleted" in caplog.text


def test_who_comes_when_the_room_is_just_being_closed_is_in_it() -> None:
    async def program(rooms: Rooms, bus: Bus, parts: Parts) -> None:
        conversation, cast = await parts.storage.cast("c")
        closed: list[ConversationClosed] = []

        def note(event: ConversationClosed) -> None:
            closed.append(event)

        bus.tap(note)
        woken = anyio.Event()

        async def come() -> None:
            await anyio.sleep(LINGER_SECONDS)
            room = rooms.open["c"]
            connection = Connection(False, False, lambda: None)
            session, _ = room.session(None, "")
            with rooms.joined(room, connection, session):
                await anyio.sleep(1)
                assert rooms.open["c"] is room
                assert not closed
            woken.set()

        rooms.tasks.start_soon(come)
        await anyio.lowlevel.checkpoint()
        rooms.room(conversation, cast)
        await woken.wait()
        await anyio.sleep(LINGER_SECONDS + 1)
        assert "c" not in rooms.open
        assert len(closed) == 1

    run_rooms(program)


# -- what is read, and shown when something newer is known ---------------------------------------


def test_a_cast_that_was_read_before_a_newer_one_is_not_shown_after_it() -> None:
    store = anyio.run(a_slow_store)

    async def program(rooms: Rooms, bus: Bus, parts: Parts) -> None:
        room = rooms.room(*await store.cast("c"))
        store.cast_pauses = [2.0, 0.0]
        async with anyio.create_task_group() as tasks:
            await store.leave_conversation("c", "rosa")
            tasks.start_soon(rooms.conversation_changed, "c")
            await anyio.sleep(1)
            await store.leave_conversation("c", "mark")
            tasks.start_soon(rooms.conversation_changed, "c")
        assert [who.id for who in room.cast] == ["olivia"]

    run_rooms(program, store)


def test_what_was_said_last_is_read_again_when_it_was_changed_meanwhile() -> None:
    async def main() -> None:
        store = await a_slow_store()
        for id in ("one", "two"):
            await store.add_message(Message(id, "c", "user", f"It was {id}."))
        async with anyio.create_task_group() as tasks:
            listing = Listing(PendingDeletions(tasks), HiddenMessages())
            store.message_pauses = [1.0]
            tasks.start_soon(listing.entries, store)
            await anyio.sleep(0.5)
            await store.delete_message("two")
            listing.forget("c")
        (entry,) = await listing.entries(store)
        assert "It was one." in entry.last

    run_virtual(main)


# -- what somebody else has made meanwhile -------------------------------------------------------


@pytest.mark.parametrize("kind", ["voice", "character", "conversation"])
def test_an_import_that_fails_takes_back_only_what_it_has_added(kind: str, tmp_path: Path) -> None:
    """Between the look whether it is there and its adding, somebody adds one of that name."""

    async def main() -> None:
        store = await a_store()
        voice, who = Voice("Ann"), Character("ann-001", "Ann")
        talk = Conversation("talk")
        taking = _Taking.__new__(_Taking)
        taking.storage, taking.policy, taking.rollback = store, "keep", Rollback(tmp_path)
        find = getattr(store, kind)
        add = {
            "voice": lambda: store.add_voice(evolve(voice, speaker_desc="mine")),
            "character": lambda: store.add_character(evolve(who, greeting="mine")),
            "conversation": lambda: store.add_conversation(evolve(talk, title="mine")),
        }[kind]

        async def look(key: str) -> object:
            try:
                return await find(key)
            finally:
                setattr(store, kind, find)
                await add()

        setattr(store, kind, look)
        take = {
            "voice": lambda: taking._voice(voice),
            "character": lambda: taking._character(who),
            "conversation": lambda: taking._conversation(talk, [], set()),
        }[kind]
        with pytest.raises(Conflict):
            await take()
        await taking.rollback.run(store)
        kept = await find({"voice": "Ann", "character": "ann-001", "conversation": "talk"}[kind])
        assert "mine" in (
            getattr(kept, "speaker_desc", None),
            getattr(kept, "greeting", None),
            getattr(kept, "title", None),
        )

    run_virtual(main)


def test_a_message_that_the_store_has_not_yet_can_be_deleted_for_good() -> None:
    async def program(rooms: Rooms, bus: Bus, parts: Parts) -> None:
        rooms.room(*await parts.storage.cast("c"))
        gone: list[MessageDeleted] = []

        def note(event: MessageDeleted) -> None:
            gone.append(event)

        async def delete(id: str) -> Message:
            raise NotFound("There is none.", "Look.")

        bus.tap(note)
        pending = PendingDeletions(rooms.tasks)
        listing = Listing(pending, rooms.hidden)
        deleted = DeletedMessages(parts, rooms, pending, listing, environment([]), delete)
        await deleted.begin("c", ["late"], "It was deleted.")
        await anyio.sleep(UNDO_SECONDS + 1)
        assert [event.message_id for event in gone] == ["late"]
        assert rooms.hidden.of("c") == ()

    run_rooms(program)
