"""What is said reaches the store once, in order, however slow, broken or busy the store is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import (
    BadValue,
    Conversation,
    Message,
    NotFound,
    Unreachable,
    load_plugins,
    open_chat,
)
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    HandlerFailed,
    Interrupted,
    LineInterrupted,
    MessageAdded,
    MessageDeleted,
    SpeakersChosen,
    UserSaid,
)
from aichat.core.ids import new_id
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.stages.remembering import storage_queue
from support.chat import CAST, Chat, Given, a_chat, a_store, all_ready

pytestmark = pytest.mark.anyio
LINES = "{name} says one, two, three. And four, five, six."


class Shaky(MemoryStorage):
    """Takes its time, and fails before or after it has written."""

    fails = 0.0
    slow = 0.0
    refuses: type[Exception] | None = None
    """What every call raises."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = Random(seed)
        self.strange = 4
        """So many errors are of no known kind."""

    async def _shake(self) -> None:
        await anyio.sleep(self.random.uniform(0, self.slow))
        if self.refuses:
            raise self._error(self.refuses)
        if self.random.random() < self.fails:
            self.strange -= 1
            raise self._error(OSError if self.strange >= 0 else Unreachable)

    @staticmethod
    def _error(kind: type[Exception]) -> Exception:
        return kind("The disk is away.", "Bring it back.")

    async def add_message(self, message: Message) -> None:
        await self._shake()
        await super().add_message(message)
        await self._shake()  # it is written, and nobody knows

    async def delete_message(self, id: str) -> None:
        await self._shake()
        await super().delete_message(id)
        await self._shake()


async def a_shaky_store(conversations: Sequence[str] = ("c",), seed: int = 0) -> Shaky:
    store, plain = Shaky(seed), await a_store()
    store.__dict__.update({**plain.__dict__, **store.__dict__, **vars(plain)})
    for id in conversations:
        if id != "c":
            await store.add_conversation(
                Conversation(id, active_characters=[name.lower() for name in CAST])
            )
    return store


def shown(chat: Chat, conversation: str) -> list[tuple[str, str, str | None]]:
    """What a client was shown in the end: id, text and what was heard of it."""
    found: dict[str, Message] = {}
    for event in chat.heard.events:
        if event.turn.conversation != conversation:
            continue
        if isinstance(event, MessageAdded):
            found[event.message.message_id] = event.message
        elif isinstance(event, MessageDeleted):
            found.pop(event.message_id, None)
    return [(one.message_id, one.content, one.heard) for one in found.values()]


async def stored(chat: Chat, conversation: str) -> list[tuple[str, str, str | None]]:
    kept = await chat.store.messages(conversation, 1_000)
    return [(one.message_id, one.content, one.heard) for one in kept]


async def type_into(chat: Chat, conversation: str, text: str) -> str:
    id = new_id()
    await chat.bus.publish(UserSaid(chat.bus.new_turn(conversation), text, "text", id))
    return id


async def talk(chat: Chat, conversation: str, count: int, random: Random) -> None:
    """Type *count* messages; break in, stop one speaker, delete a message, as it comes."""
    typed: list[str] = []
    for number in range(count):
        typed.append(await type_into(chat, conversation, f"@Olivia @Mark {number} of {count}"))
        await anyio.sleep(random.choice([0, 0.01, 0.3, 1.5, 8]))
        what = random.choice(["go on", "stop", "stop one", "delete"])
        live = chat.bus.live_turn(conversation)
        if what == "stop" and live:
            chat.bus.interrupt(Interrupted(live))
        elif what == "stop one" and live:
            chosen = [e for e in chat.heard.of(SpeakersChosen) if e.turn == live and e.lines]
            if chosen:
                chat.bus.interrupt(LineInterrupted(random.choice(chosen[-1].lines)))
        elif what == "delete":
            gone = typed.pop(random.randrange(len(typed)))
            chat.bus.post(MessageDeleted(chat.bus.turn(conversation), gone))


def leave(chat: Chat, conversation: str) -> None:
    """Nobody is in the conversation any more."""
    if live := chat.bus.live_turn(conversation):
        chat.bus.interrupt(Interrupted(live, "left"))
    chat.bus.post(ConversationClosed(chat.bus.turn(conversation)))
    chat.bus.forget(conversation)


def own(conversation: str, failure: HandlerFailed) -> bool:
    return failure.turn.conversation == conversation


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    fails=st.sampled_from([0.0, 0.1, 0.4]),
    slow=st.sampled_from([0.0, 0.05, 1.0]),
)
def test_what_is_shown_is_stored_once_and_in_order_whatever_the_store_does(
    seed: int, fails: float, slow: float
) -> None:
    async def program() -> None:
        random = Random(seed)
        names = [f"talk-{number}" for number in range(6)]
        doomed = random.sample(names, 2)
        store = await a_shaky_store(names, seed)
        store.fails, store.slow = fails, slow
        llm, tts = FakeLlm(LINES, seconds=0.01), FakeTts(ms_per_word=100, seconds=0.01)
        async with a_chat(storage=store, llm=llm, tts=tts, failures=True) as chat:

            async def delete(name: str) -> None:
                await anyio.sleep(random.uniform(0, 10))
                await store.delete_conversation(name)
                await anyio.sleep(random.uniform(0, 10))
                leave(chat, name)

            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(talk, chat, name, 6, Random(random.random()))
                for name in doomed:
                    tasks.start_soon(delete, name)
            store.fails = 0.0
            await chat.bus.settled()
            await anyio.sleep(2 * storage_queue.LONGEST_PAUSE)
            for name in set(names) - set(doomed):
                assert await stored(chat, name) == shown(chat, name), name
            remembering = [f for f in chat.heard.of(HandlerFailed) if "remembering" in f.handler]
            assert all(isinstance(f.error, (Unreachable, NotFound)) for f in remembering)
            for failure in remembering:
                if isinstance(failure.error, NotFound):
                    assert failure.turn.conversation in doomed

    run_virtual(program)


async def test_a_conversation_does_not_wait_for_another() -> None:
    store = await a_shaky_store(("c", "other"))
    stuck = anyio.Event()
    whole = store.add_message

    async def add(message: Message) -> None:
        if message.conversation_id == "c":
            await stuck.wait()
        await whole(message)

    store.add_message = add  # type: ignore[method-assign]
    async with a_chat(storage=store) as chat:
        await type_into(chat, "c", "@Olivia hi")
        await type_into(chat, "other", "@Olivia hi")
        await anyio.sleep(60)
        assert await stored(chat, "c") == []
        assert await stored(chat, "other") == shown(chat, "other") != []
        stuck.set()
        await chat.bus.settled()
        assert await stored(chat, "c") == shown(chat, "c") != []


async def test_what_was_refused_is_written_when_the_store_is_back_though_nobody_speaks() -> None:
    store = await a_shaky_store()
    async with a_chat(storage=store, failures=True) as chat:
        store.refuses = Unreachable
        await chat.say("@Olivia hi")
        told = [str(f.error) for f in chat.heard.of(HandlerFailed)]
        assert "2 message(s) could not be stored yet. The disk is away." in told[-1]
        await anyio.sleep(400)
        assert len(chat.heard.of(HandlerFailed)) == len(told), "it is not reported at every try"
        store.refuses = None
        await anyio.sleep(storage_queue.LONGEST_PAUSE)
        assert await stored(chat, "c") == shown(chat, "c") != []


async def test_a_store_that_refuses_is_tried_less_and_less_often() -> None:
    store = await a_shaky_store()
    tries: list[float] = []

    async def refuse(message: Message) -> None:
        tries.append(chat.bus.clock.now())
        raise Unreachable("The disk is away.", "Bring it back.")

    async with a_chat(storage=store, failures=True) as chat:
        store.add_message = refuse  # type: ignore[method-assign]
        await chat.say("@Nobody @Olivia hi")
        del tries[:]
        await anyio.sleep(400)
        assert 12 <= len(tries) <= 24
        pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert max(pauses) <= storage_queue.LONGEST_PAUSE + 1


async def test_what_still_waits_is_written_before_aichat_ends() -> None:
    store = await a_shaky_store()
    async with a_chat(storage=store, failures=True) as chat:
        store.refuses = Unreachable
        await chat.say("@Olivia hi")
        assert await stored(chat, "c") == []
        store.refuses = None
    assert await stored(chat, "c") == shown(chat, "c") != []


async def test_what_cannot_be_written_in_the_end_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await a_shaky_store()
    async with a_chat(storage=store, failures=True) as chat:
        store.refuses = Unreachable
        await chat.say("@Olivia hi")
        before = anyio.current_time()
    assert anyio.current_time() - before < 1
    assert "aichat stops, and 2 message(s) are not stored" in caplog.text


@pytest.mark.parametrize("error", [BadValue, OSError, RuntimeError])
async def test_what_can_never_be_stored_does_not_hold_up_the_rest(error: Any) -> None:
    store = await a_shaky_store()
    whole = store.add_message

    async def add(message: Message) -> None:
        if message.content == "@Olivia bad":
            raise error("Never.", "Give up.")
        await whole(message)

    store.add_message = add  # type: ignore[method-assign]
    async with a_chat(storage=store, failures=True) as chat:
        await chat.say("@Olivia bad")
        await chat.say("@Olivia good")
        await anyio.sleep(storage_queue.LONGEST_PAUSE * storage_queue.TRIES)
        assert await stored(chat, "c") == shown(chat, "c")[1:]
        assert error in [type(f.error) for f in chat.heard.of(HandlerFailed)]


async def test_a_queue_is_bounded_and_what_it_gives_up_is_counted_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_queue, "WAITING", 5)
    store = await a_shaky_store(("c", "other"))
    async with a_chat(storage=store, failures=True, llm=FakeLlm("")) as chat:
        store.refuses = Unreachable
        await type_into(chat, "other", "@Olivia this one stays")
        for number in range(8):
            await chat.say(f"@Olivia {number}")
        (name,) = chat.bus.dropped
        assert name.endswith("remembering.storage_queue.StorageQueues.write")
        assert chat.bus.dropped[name] == 3
        told = " ".join(str(f.error) for f in chat.heard.of(HandlerFailed) if own("c", f))
        assert "1 older one(s) found no room any more, and are lost." in told
        store.refuses = None
        await anyio.sleep(storage_queue.LONGEST_PAUSE)
        assert await stored(chat, "c") == shown(chat, "c")[3:]
        assert len(await stored(chat, "other")) == 1


async def test_a_conversation_that_was_deleted_says_so_once_and_leaves_nothing() -> None:
    store = await a_shaky_store(("c", "other"))
    async with a_chat(storage=store, failures=True) as chat:
        await type_into(chat, "c", "@Olivia @Mark hi")
        await type_into(chat, "other", "@Olivia hi")
        await chat.until(AudioReady)
        await store.delete_conversation("c")
        await chat.bus.settled()
        failures = [f for f in chat.heard.of(HandlerFailed) if "remembering" in f.handler]
        assert [(f.turn.conversation, type(f.error)) for f in failures] == [("c", NotFound)]
        assert await stored(chat, "other") == shown(chat, "other") != []
        for name in ("c", "other"):
            leave(chat, name)
        await chat.bus.settled()


async def test_a_store_that_wrote_and_said_it_did_not_has_the_message_once() -> None:
    store = await a_shaky_store()
    whole, fails = store.add_message, [True] * 4

    async def add(message: Message) -> None:
        await whole(message)
        if fails and fails.pop():
            raise Unreachable("It did not answer in time.", "Wait.")

    store.add_message = add  # type: ignore[method-assign]
    async with a_chat(storage=store, failures=True) as chat:
        await chat.say("@Olivia hi")
        await chat.say("@Olivia again")
        await anyio.sleep(storage_queue.LONGEST_PAUSE)
        assert await stored(chat, "c") == shown(chat, "c")
        assert len(await stored(chat, "c")) == 4


async def test_what_was_heard_when_aichat_ends_in_mid_reply_is_stored() -> None:
    store = await a_shaky_store()
    store.slow = 0.3
    llm, tts = FakeLlm(LINES), FakeTts(ms_per_word=200)
    given_ = Given(storage=store, llm=llm, tts=tts)
    async with open_chat(given_.config(), load_plugins(extra=[given_])) as (bus, parts):
        await all_ready(parts)
        await bus.publish(UserSaid(bus.new_turn("c"), "@Olivia hi", "text", new_id()))
        await anyio.sleep(1.0)
        stopped = anyio.current_time()
    assert anyio.current_time() - stopped < 2
    said, reply = await store.messages("c")
    assert said.content == "@Olivia hi"
    assert reply.interrupted
    assert reply.heard
    assert LINES.format(name="Olivia").startswith(reply.heard)
