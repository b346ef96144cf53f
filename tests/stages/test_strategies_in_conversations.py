"""Strategies, muted characters and characters that go on by themselves, in whole conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aichat.core import Conversation, Prompt
from aichat.core.events import (
    AudioReady,
    HandlerFailed,
    Interrupted,
    LineInterrupted,
    ReplyFinished,
    SpeakersAsked,
    SpeakersChosen,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio
AUTO = {"auto": True, "auto_cap": 4}


async def a_store_with(**settings: Any) -> MemoryStorage:
    store = await a_store()
    await store.change_conversation("c", {"settings": settings})
    return store


async def set_(store: MemoryStorage, **settings: Any) -> None:
    before = await store.conversation("c")
    await store.change_conversation("c", {"settings": {**before.settings, **settings}})


def rounds(chat: Chat) -> list[list[str]]:
    return [[line.name for line in e.lines] for e in chat.heard.of(SpeakersChosen)]


async def ask(chat: Chat, *ids: str) -> None:
    await chat.bus.publish(SpeakersAsked(chat.bus.new_turn("c"), ids))
    await chat.bus.settled()


async def test_characters_take_turns_one_for_each_message() -> None:
    async with a_chat(storage=await a_store_with(strategy="round_robin")) as chat:
        for text in ("hi", "and?", "@Mark you", "and?", "and?"):
            await chat.say(text)
        assert rounds(chat) == [["Olivia"], ["Mark"], ["Mark"], ["Rosa"], ["Olivia"]]


async def test_the_muted_never_answer_and_the_user_is_told_why() -> None:
    async with a_chat(storage=await a_store_with(muted=["mark"])) as chat:
        await chat.say("hi")
        await chat.say("@Mark?")
        assert rounds(chat) == [["Olivia", "Rosa"], []]
        assert chat.heard.of(SpeakersChosen)[1].note == "Mark cannot answer while muted."
        assert len(chat.heard.of(TurnFinished)) == 2
        await set_(chat.store, muted=[])
        await chat.say("@Mark?")
        assert rounds(chat)[-1] == ["Mark"]


async def test_with_manual_nobody_speaks_unless_addressed_or_asked() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm, storage=await a_store_with(strategy="manual")) as chat:
        await chat.say("hm")
        assert chat.heard.of(SpeakersChosen)[0].note == (
            "Nobody was addressed. Name who is to answer."
        )
        await chat.say("Rosa?")
        await ask(chat, "mark", "rosa")
        await ask(chat)
        assert rounds(chat) == [[], ["Rosa"], ["Mark", "Rosa"], ["Olivia"]]


async def test_who_is_asked_twice_is_told_to_go_on() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm) as chat:
        await chat.say("Rosa?")
        await ask(chat, "rosa")
    assert [m.role for m in llm.asked[-1].messages] == ["system", "user", "assistant", "user"]
    assert llm.asked[-1].messages[-1].content == "Please go on."
    assert len(await chat.store.recent_messages("c")) == 3  # nobody has said that


async def test_in_auto_mode_they_go_on_up_to_the_cap_and_the_count_is_told() -> None:
    async with a_chat(storage=await a_store_with(**AUTO)) as chat:
        await chat.say("@Olivia hi")
        assert rounds(chat) == [["Olivia"], ["Mark", "Rosa", "Olivia"], ["Mark"]]
        counts = [(e.count, e.cap) for e in chat.heard.of(SpeakersChosen)]
        assert counts == [(0, 0), (0, 4), (3, 4)]
        assert len(await chat.said()) == 1 + 1 + 4
        await chat.say("@Mark again")
        assert len(await chat.said()) == 6 + 2 + 4


async def test_one_alone_does_not_talk_to_himself() -> None:
    store = await a_store(["Olivia"])
    await set_(store, **AUTO)
    async with a_chat(storage=store) as chat:
        await chat.say("hi")
        assert rounds(chat) == [["Olivia"]]


async def reach_auto(chat: Chat) -> None:
    """Begin to talk, and wait until they go on by themselves and are heard."""
    await chat.begin("@Olivia hi")
    await chat.until(SpeakersChosen, 2)
    while chat.heard.of(AudioReady)[-1].line.turn != chat.bus.turn("c"):
        await chat.heard.more.wait()


@pytest.mark.parametrize("how", ["speaks", "stops", "leaves", "switches it off"])
async def test_auto_stops_when_the_user(how: str) -> None:
    store = await a_store_with(strategy="round_robin", **AUTO)
    async with a_chat(tts=FakeTts(ms_per_word=300), storage=store) as chat:
        await reach_auto(chat)
        turn = chat.bus.turn("c")
        if how == "speaks":
            chat.bus.post(UserStartedSpeaking(turn))
        elif how == "switches it off":
            await set_(store, auto=False)
        else:
            chat.bus.interrupt(Interrupted(turn, "left" if how == "leaves" else "interrupt"))
        await chat.bus.settled()
        await anyio.sleep(60)
        assert rounds(chat) == [["Olivia"], ["Mark"]]


async def test_typing_takes_the_word_at_once_and_begins_a_new_count() -> None:
    store = await a_store_with(strategy="round_robin", **AUTO)
    async with a_chat(tts=FakeTts(ms_per_word=300), storage=store) as chat:
        await reach_auto(chat)
        await chat.begin("@Rosa wait")
        after = len(chat.heard.events)
        await chat.bus.settled()
        audio = [e for e in chat.heard.events[after:] if isinstance(e, AudioReady)]
        said = chat.heard.of(UserSaid)[-1]
        assert {e.turn.number for e in audio} >= {said.turn.number}
        assert min(e.turn.number for e in audio) == said.turn.number
        assert rounds(chat) == [
            ["Olivia"], ["Mark"], ["Rosa"], ["Olivia"], ["Mark"], ["Rosa"], ["Olivia"],
        ]  # fmt: skip


class Slow(MemoryStorage):
    """Reads the cast slowly, so that something can happen meanwhile."""

    seconds = 0.0

    async def cast(self, id: str) -> tuple[Conversation, Any]:
        await anyio.sleep(self.seconds)
        return await super().cast(id)


async def test_a_user_who_types_between_two_rounds_is_not_interrupted() -> None:
    plain, store = await a_store_with(strategy="round_robin", **AUTO), Slow()
    store.__dict__.update(plain.__dict__)
    async with a_chat(storage=store) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(SpeakersChosen)
        store.seconds = 0.2
        await chat.until(TurnFinished)
        await anyio.sleep(0.1)
        await chat.begin("@Rosa wait")
        await chat.bus.settled()
        assert rounds(chat)[:2] == [["Olivia"], ["Rosa"]]


class Broken(FakeLlm):
    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        if len(self.asked) >= 2:
            raise RuntimeError("no credit left")
        async for delta in super().reply(prompt):
            yield delta


async def test_a_model_that_fails_is_not_asked_again_and_again() -> None:
    store = await a_store_with(auto=True, auto_cap=50, strategy="round_robin")
    async with a_chat(llm=Broken(), storage=store, failures=True) as chat:
        await chat.say("hi")
        assert rounds(chat) == [["Olivia"], ["Mark"], ["Rosa"]]
        assert len(chat.heard.of(HandlerFailed)) == 1


async def test_what_the_stopped_speaker_did_not_get_to_say_is_not_known_to_the_next() -> None:
    llm = FakeLlm("{name} says one two three four five six seven eight.", seconds=0.05)
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("hi")
        await chat.until(ReplyFinished)
        await anyio.sleep(0.5)  # Mark writes now; Rosa has not begun
        chat.bus.interrupt(LineInterrupted(chat.heard.of(SpeakersChosen)[0].lines[0]))
        await chat.bus.settled()
    told = [m.content for m in llm.asked[-1].messages]
    olivias = told[1].split("\n\n")[1]
    assert olivias.startswith("Olivia: Olivia says")
    assert "eight" not in olivias
