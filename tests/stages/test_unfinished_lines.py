"""A line that goes on is in the store clause by clause, and its message takes that place."""

from __future__ import annotations

from random import Random

import anyio
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Message, Unreachable
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    HandlerFailed,
    Interrupted,
    LineInterrupted,
    MessageAdded,
    MessageDeleted,
    ReplyClause,
    ReplyText,
    RewriteWanted,
    SpeakersChosen,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.toolkit.message_versions import edited
from support.chat import a_chat, a_store

pytestmark = pytest.mark.anyio
TEXT = " ".join(f"This is the sentence number {n}." for n in range(12))
WORDS = 6
"""In a sentence."""


class Counting(MemoryStorage):
    slow = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Message] = []

    async def add_message(self, message: Message) -> None:
        await anyio.sleep(self.slow)
        self.writes.append(message)
        await super().add_message(message)


async def a_counting_store() -> Counting:
    store, plain = Counting(), await a_store()
    store.__dict__.update(vars(plain))
    return store


@settings(max_examples=40)
@given(
    moment=st.floats(0, 12),
    token=st.sampled_from([0.0, 0.02, 0.1]),
    seed=st.integers(0, 2**16),
)
def test_at_every_moment_the_store_lacks_a_clause_at_most(
    moment: float, token: float, seed: int
) -> None:
    async def program() -> None:
        store = await a_counting_store()
        store.slow = Random(seed).choice([0.0, 0.01])
        llm, tts = FakeLlm(TEXT, token), FakeTts(ms_per_word=200, seconds=0.001)
        async with a_chat(storage=store, llm=llm, tts=tts) as chat:
            await chat.begin("@Olivia hi")
            await chat.until(AudioReady)
            await anyio.sleep(moment)
            text = "".join(e.text for e in chat.heard.of(ReplyText))
            sent = sum(len(e.pcm) // 2 for e in chat.heard.of(AudioReady)) / SPEAKER_RATE / 0.2
            kept = {m.role: m for m in await store.recent_messages("c")}
            draft = kept.get("assistant")
            content = draft.content if draft else ""
            heard = len((draft.said if draft else "").split())
            if token:  # a model that writes all at once is faster than any store
                assert text[len(content) :].count(".") <= 1
            if draft and draft.interrupted:
                assert content.startswith(draft.said)
                assert text.startswith(content)
                assert sent - 2 * WORDS <= heard <= sent + 1
            chat.bus.interrupt(Interrupted(chat.bus.turn("c")))

    run_virtual(program)


async def test_there_is_no_write_for_a_token_and_none_that_nobody_needs() -> None:
    store = await a_counting_store()
    async with a_chat(storage=store, llm=FakeLlm(TEXT, 0.02), tts=FakeTts(200)) as chat:
        await chat.say("@Olivia hi")
        clauses = len(chat.heard.of(ReplyClause))
        assert len(store.writes) <= 2 + 2 * clauses + 1
        assert not (await chat.last_message()).interrupted
        assert (await chat.last_message()).content == TEXT


async def test_a_slow_store_is_not_flooded() -> None:
    store = await a_counting_store()
    store.slow = 2.0
    async with a_chat(storage=store, llm=FakeLlm(TEXT, 0.02), tts=FakeTts(200)) as chat:
        began = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        assert len(store.writes) <= (chat.bus.clock.now() - began) / store.slow + 1
        assert (await chat.last_message()).content == TEXT


async def test_a_draft_is_no_news() -> None:
    async with a_chat(llm=FakeLlm(TEXT, 0.02), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(1)
        assert (await chat.last_message()).role == "assistant"
        assert [e.message.role for e in chat.heard.of(MessageAdded)] == ["user"]
        await chat.bus.settled()
        assert [e.message.role for e in chat.heard.of(MessageAdded)] == ["user", "assistant"]


async def test_who_was_not_heard_leaves_no_draft_behind() -> None:
    async with a_chat(llm=FakeLlm(TEXT), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia @Mark hi")
        await chat.until(AudioReady)
        await anyio.sleep(2)
        names = [m.name for m in await chat.store.recent_messages("c")]
        assert names == [None, "Olivia", "Mark"], "Mark's text was sent, his voice was not"
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        assert [m.name for m in await chat.store.recent_messages("c")] == [None, "Olivia"]


async def test_one_speaker_who_is_stopped_before_a_word_leaves_no_draft_behind() -> None:
    async with a_chat(llm=FakeLlm(TEXT), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia @Mark hi")
        mark = (await chat.until(SpeakersChosen)).lines[1]
        await chat.until(AudioReady)
        await anyio.sleep(2)
        chat.bus.interrupt(LineInterrupted(mark))
        await chat.bus.settled()
        assert [m.name for m in await chat.store.recent_messages("c")] == [None, "Olivia"]
        assert (await chat.last_message()).content == TEXT


async def test_what_somebody_makes_of_a_draft_stands() -> None:
    async with a_chat(llm=FakeLlm(TEXT, 0.02), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(1)
        mine = edited(await chat.last_message(), "I never said that.")
        await chat.store.add_message(mine)
        chat.bus.post(MessageAdded(chat.bus.turn("c"), mine, changed=True))
        await chat.bus.settled()
        assert (await chat.last_message()).content == "I never said that."
        assert len(await chat.store.recent_messages("c")) == 2


async def test_what_somebody_notes_with_a_draft_stays_with_the_message() -> None:
    async with a_chat(llm=FakeLlm(TEXT, 0.02), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(1)
        mine = evolve(await chat.last_message(), extensions={"stars": 5})
        await chat.store.add_message(mine)
        chat.bus.post(MessageAdded(chat.bus.turn("c"), mine, changed=True))
        await chat.bus.settled()
        message = await chat.last_message()
        assert (message.content, message.interrupted) == (TEXT, False)
        assert message.extensions["stars"] == 5


async def test_a_draft_that_is_deleted_does_not_come_back() -> None:
    async with a_chat(llm=FakeLlm(TEXT, 0.02), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(1)
        id = (await chat.last_message()).message_id
        await chat.store.delete_message(id)
        chat.bus.post(MessageDeleted(chat.bus.turn("c"), id))
        await chat.bus.settled()
        assert [m.role for m in await chat.store.recent_messages("c")] == ["user"]


@pytest.mark.parametrize("is_heard", [True, False])
async def test_another_version_keeps_the_old_text_at_every_moment(*, is_heard: bool) -> None:
    llm = FakeLlm("The old text.")
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200, seconds=0.01)) as chat:
        await chat.say("@Olivia hi")
        old = await chat.last_message()
        llm.text, llm.seconds = TEXT, 0.02
        turn = chat.bus.new_turn("c")
        await chat.bus.publish(RewriteWanted(turn, old.message_id))
        if is_heard:
            await chat.until(AudioReady, len(chat.heard.of(AudioReady)) + 1)
            await anyio.sleep(1)
            draft = await chat.last_message()
            assert draft.interrupted
            assert next(one["content"] for one in draft.extensions["versions"]) == "The old text."
            assert TEXT.startswith(draft.content)
        chat.bus.interrupt(Interrupted(turn))
        await chat.bus.settled()
        texts = await chat.last_message()
        assert texts.message_id == old.message_id
        if not is_heard:
            assert texts.content == "The old text."


async def test_a_store_that_refuses_is_not_woken_by_every_clause() -> None:
    tries = 0

    async def refuse(message: Message) -> None:
        nonlocal tries
        tries += 1
        raise Unreachable("The disk is away.", "Bring it back.")

    async with a_chat(llm=FakeLlm(TEXT, 0.02), tts=FakeTts(200), failures=True) as chat:
        chat.store.add_message = refuse
        await chat.say("@Olivia hi")
        failures = [f for f in chat.heard.of(HandlerFailed) if "remembering" in f.handler]
        assert len(failures) == 2, "for what the user said, and for the reply when it was over"
        assert tries <= 10
