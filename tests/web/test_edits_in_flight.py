"""A message that is changed or deleted while it is on its way to the store, or while it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Conflict, Message, NotFound, Unreachable, new_id
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import AudioReady, Interrupted, MessageAdded, SpeakersChosen
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.stages.remembering import storage_queue
from aichat.web.access.turn_limits import Paces
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.hidden_messages import HiddenMessages
from aichat.web.realtime.rooms import Rooms
from aichat.web.realtime.sessions import LINGER_SECONDS
from aichat.web.schemas.records import NewMessage
from aichat.web.services.conversation_list import Listing
from aichat.web.services.message_edits import MessageEdits
from aichat.web.services.message_posts import Posted
from aichat.web.services.undo.pending_deletions import PendingDeletions
from support.chat import AT_EASE, Chat, a_chat, a_store

TEXT = "This is the first sentence. And here is another one."


class Slow(MemoryStorage):
    """Takes its time to read and to write; while it *refuses* it reads only."""

    refuses = False
    slow = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.random = Random(1)

    async def _wait(self) -> None:
        await anyio.sleep(self.random.uniform(0, self.slow))
        if self.refuses:
            raise Unreachable("The disk is away.", "Bring it back.")

    async def message(self, id: str) -> Message:
        found = await super().message(id)
        await anyio.sleep(self.random.uniform(0, self.slow))
        return found

    async def add_message(self, message: Message) -> None:
        await self._wait()
        await super().add_message(message)
        await anyio.sleep(self.random.uniform(0, self.slow))

    async def delete_message(self, id: str) -> None:
        await self._wait()
        await super().delete_message(id)
        await anyio.sleep(self.random.uniform(0, self.slow))


async def a_slow_store() -> Slow:
    store, plain = Slow(), await a_store()
    store.__dict__.update({**store.__dict__, **vars(plain)})
    return store


@define
class Talk:
    chat: Chat
    store: Slow
    edits: MessageEdits
    rooms: Rooms
    lines: list[str] = field(factory=list)

    async def begin(self) -> str:
        """Have Olivia answer; return the id of her message when she is heard."""
        await self.chat.begin("@Olivia hi")
        (line,) = (await self.chat.until(SpeakersChosen)).lines
        await self.chat.until(AudioReady)
        return line.message_id

    async def change(self, id: str, **what: object) -> Message:
        """Change a message as soon as it is there."""
        while True:
            try:
                return await self.edits.change(id, **what)  # type: ignore[arg-type]
            except NotFound:
                await anyio.sleep(0.01)

    async def messages(self) -> list[Message]:
        return list(await self.store.messages("c"))

    async def until_stored(self) -> None:
        await self.chat.bus.settled()
        await anyio.sleep(2 * storage_queue.LONGEST_PAUSE)


@asynccontextmanager
async def a_talk() -> AsyncIterator[Talk]:
    store = await a_slow_store()
    llm, tts = FakeLlm(TEXT, seconds=0.02), FakeTts(ms_per_word=100, seconds=0.001)
    async with (
        a_chat(storage=store, llm=llm, tts=tts, failures=True) as chat,
        anyio.create_task_group() as tasks,
    ):
        paces = Paces.by(AT_EASE, chat.bus.clock.now)
        rooms = Rooms(chat.bus, chat.parts, Painter(environment([])), tasks, paces)
        rooms.room(*await store.cast("c"))
        listing = Listing(PendingDeletions(tasks), HiddenMessages())
        edits = MessageEdits(chat.parts, rooms, listing, Posted())
        yield Talk(chat, store, edits, rooms)
        tasks.cancel_scope.cancel()


def run_talk(program: Callable[[Talk], Awaitable[None]]) -> None:
    async def main() -> None:
        async with a_talk() as talk:
            await program(talk)

    run_virtual(main)


@settings(max_examples=60)
@given(moment=st.floats(0, 1.6), slow=st.sampled_from([0.0, 0.01, 0.3]), seed=st.integers(0, 2**16))
def test_a_note_at_any_moment_of_a_line_leaves_its_text_whole(
    moment: float, slow: float, seed: int
) -> None:
    async def program(talk: Talk) -> None:
        talk.store.slow, talk.store.random = slow, Random(seed)
        id = await talk.begin()
        await anyio.sleep(moment)
        await talk.change(id, extensions={"stars": 5})
        await talk.until_stored()
        said, reply = await talk.messages()
        assert said.role == "user"
        assert (reply.content, reply.interrupted, reply.heard) == (TEXT, False, None)
        assert reply.extensions["stars"] == 5
        shown = [e.message for e in talk.chat.heard.of(MessageAdded) if e.message.message_id == id]
        assert shown[-1] == reply

    run_talk(program)


@settings(max_examples=60)
@given(
    moment=st.floats(0, 1.6),
    slow=st.sampled_from([0.0, 0.01, 0.3]),
    seed=st.integers(0, 2**16),
    stops=st.booleans(),
)
def test_another_text_or_a_deletion_at_any_moment_stands(
    moment: float, slow: float, seed: int, *, stops: bool
) -> None:
    async def program(talk: Talk) -> None:
        talk.store.slow, talk.store.random = slow, Random(seed)
        id = await talk.begin()
        await anyio.sleep(moment)
        if stops:
            await anyio.sleep(0.3)  # who was not heard leaves no message
            talk.chat.bus.interrupt(Interrupted(talk.chat.bus.turn("c")))
        await talk.change(id, content="My own words.")
        await talk.until_stored()
        assert [m.content for m in await talk.messages()] == ["@Olivia hi", "My own words."]
        await talk.edits.delete(id)
        await talk.until_stored()
        assert [m.role for m in await talk.messages()] == ["user"]

    run_talk(program)


@settings(max_examples=40)
@given(moment=st.floats(0, 1.6), slow=st.sampled_from([0.0, 0.01, 0.3]), seed=st.integers(0, 2**16))
def test_a_deletion_at_any_moment_of_a_line_stands(moment: float, slow: float, seed: int) -> None:
    async def program(talk: Talk) -> None:
        talk.store.slow, talk.store.random = slow, Random(seed)
        id = await talk.begin()
        await anyio.sleep(moment)
        while True:
            try:
                await talk.edits.delete(id)
                break
            except NotFound:
                await anyio.sleep(0.01)
        await talk.until_stored()
        assert [m.role for m in await talk.messages()] == ["user"]

    run_talk(program)


def test_after_a_note_in_mid_line_the_line_goes_on_being_stored() -> None:
    async def program(talk: Talk) -> None:
        id = await talk.begin()
        await anyio.sleep(0.1)
        first = await talk.change(id, extensions={"stars": 5})
        await anyio.sleep(0.8)
        draft = (await talk.messages())[-1]
        assert draft.interrupted
        assert len(draft.said) > len(first.said)
        assert draft.extensions["stars"] == 5

    run_talk(program)


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("what", ["edit", "note", "delete"])
def test_what_is_asked_of_a_message_that_waits_for_the_store_is_refused_or_stands(
    what: str, *, is_open: bool
) -> None:
    async def program(talk: Talk) -> None:
        id = await talk.begin()
        await anyio.sleep(0.3)
        talk.store.refuses = True
        await talk.chat.bus.settled()
        if not is_open:
            await anyio.sleep(LINGER_SECONDS + 1)
        assert ("c" in talk.rooms.open) is is_open

        async def ask() -> None:
            if what == "edit":
                await talk.edits.change(id, content="My own words.")
            elif what == "note":
                await talk.edits.change(id, extensions={"stars": 5})
            else:
                await talk.edits.delete(id)

        with pytest.raises(Unreachable):
            await ask()
        talk.store.refuses = False
        await ask()
        await talk.until_stored()
        said, *replies = await talk.messages()
        assert said.role == "user"
        if what == "delete":
            assert replies == []
        else:
            (reply,) = replies
            assert reply.content == ("My own words." if what == "edit" else TEXT)
            assert not reply.interrupted
            assert (reply.extensions.get("stars") == 5) is (what == "note")

    run_talk(program)


def posted(message: Message, **changes: Any) -> NewMessage:
    """The body of a request that adds a message."""
    fields = {
        "conversation_id": message.conversation_id,
        "role": message.role,
        "content": message.content,
        "message_id": message.message_id,
        "character_id": message.character_id,
        "name": message.name,
        "turn_id": message.turn_id,
        "interrupted": message.interrupted,
        "heard": message.heard,
        "source": message.source,
        "extensions": message.extensions,
    }
    return NewMessage(**{**fields, **changes})


def test_a_message_that_waits_for_the_store_can_be_posted_again_but_no_other_of_its_id() -> None:
    async def program(talk: Talk) -> None:
        id = await talk.begin()
        talk.store.refuses = True
        await talk.chat.bus.settled()
        user, reply = (event.message for event in talk.chat.heard.of(MessageAdded))
        assert reply.message_id == id
        bodies = [posted(user), posted(reply), posted(reply, message_id=new_id(), content="New.")]
        add = talk.edits.posted.add
        with pytest.raises(Unreachable):
            await add(talk.chat.parts, bodies[:2])
        talk.store.refuses = False
        kept, added = await add(talk.chat.parts, bodies)
        assert [message.content for message in added] == ["New."]
        assert [message.message_id for message in kept[:2]] == [user.message_id, id]
        with pytest.raises(Conflict):
            await add(talk.chat.parts, [posted(reply, content="Another text.")])
        await talk.until_stored()
        assert [m.content for m in await talk.messages()] == [user.content, TEXT, "New."]

    run_talk(program)


@settings(max_examples=30)
@given(
    moment=st.floats(0, 1.6),
    slow=st.sampled_from([0.0, 0.01, 0.3]),
    seed=st.integers(0, 2**16),
    same_first=st.booleans(),
)
def test_an_id_that_is_being_stored_is_never_taken_by_another_message(
    moment: float, slow: float, seed: int, *, same_first: bool
) -> None:
    async def program(talk: Talk) -> None:
        talk.store.slow, talk.store.random = slow, Random(seed)
        id = await talk.begin()
        (user,) = (e.message for e in talk.chat.heard.of(MessageAdded))
        await anyio.sleep(0.1 + moment)  # its first clause has been given to the queue
        draft = Message(id, "c", "assistant", "My own words.", character_id="olivia")
        ids = [posted(user), posted(draft)]
        with pytest.raises(Conflict):
            await talk.edits.posted.add(talk.chat.parts, ids if same_first else ids[::-1])
        await talk.until_stored()
        assert [m.content for m in await talk.messages()] == ["@Olivia hi", TEXT]

    run_talk(program)
