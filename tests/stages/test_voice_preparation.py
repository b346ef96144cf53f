"""Engines that get to know a voice before they speak in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import define, field

from aichat.core import AudioTokens, BackendFailed, ReferenceClip, Voice
from aichat.core.events import SPEAKER_RATE, HandlerFailed, SpeechSynthesized
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm
from support.chat import a_chat, a_store

pytestmark = pytest.mark.anyio
CODES = [[1, 2], [3, 4]]
TOLD = BackendFailed("It cannot learn.", "Try again.")


@define
class Learner:
    """Learns a voice in two seconds."""

    max_concurrent: int = 3
    sample_rate: int = SPEAKER_RATE
    learnt: list[tuple[str, ReferenceClip | None]] = field(factory=list)
    spoke: list[tuple[str, AudioTokens | None]] = field(factory=list)
    broken: bool = False
    at_once: int = 0
    most: int = 0

    def knows(self, voice: Voice) -> bool:
        return voice.audio_tokens is not None

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> AudioTokens | None:
        self.learnt.append((voice.voice, reference))
        await anyio.sleep(2)
        if self.broken:
            raise TOLD
        return CODES

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        self.spoke.append((text, voice.audio_tokens))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await anyio.sleep(1)
        yield b"\1\0" * 2400
        self.at_once -= 1


async def a_store_with_a_voice(*cast: str) -> MemoryStorage:
    store = await a_store(cast)
    await store.add_voice(Voice("Deep", speaker_desc="A deep voice"))
    for name in cast:
        await store.change_character(name.lower(), {"voice": "Deep"})
    return store


async def test_a_voice_is_learnt_before_the_first_word_and_only_once() -> None:
    learner, store = Learner(), await a_store_with_a_voice("Ann", "Bob")
    async with a_chat(tts=learner, llm=FakeLlm("One, two. Three."), storage=store) as chat:
        for _ in range(2):
            await chat.say("Hello")
            await chat.bus.settled()
    assert learner.learnt == [("Deep", None)]
    assert {codes == CODES for _, codes in learner.spoke} == {True}
    assert len(learner.spoke) >= 4
    assert (await store.voice("Deep")).audio_tokens == CODES


async def test_a_voice_that_cannot_be_learnt_speaks_all_the_same_and_is_told_once_a_turn() -> None:
    learner, store = Learner(broken=True), await a_store_with_a_voice("Ann")
    async with a_chat(failures=True, tts=learner, llm=FakeLlm("One. Two."), storage=store) as chat:
        await chat.say("Hello")
        await chat.bus.settled()
        failures = chat.heard.of(HandlerFailed)
        assert [str(failed.error) for failed in failures] == [str(TOLD)]
        assert sum(len(event.pcm) for event in chat.heard.of(SpeechSynthesized)) > 0
    assert {codes for _, codes in learner.spoke} == {None}


async def test_an_engine_may_lower_how_much_it_speaks_at_once() -> None:
    learner, store = Learner(), await a_store_with_a_voice("Ann", "Bob", "Cyd")
    async with a_chat(tts=learner, llm=FakeLlm("One."), storage=store) as chat:
        await chat.say("Hello")
        await chat.bus.settled()
        assert learner.most > 1
        learner.max_concurrent, learner.most = 1, 0
        await chat.say("Hello again")
        await chat.bus.settled()
    assert learner.most == 1


async def test_a_character_without_a_voice_has_none_to_be_learnt() -> None:
    learner = Learner()
    async with a_chat(tts=learner, llm=FakeLlm("One."), storage=await a_store(("Ann",))) as chat:
        await chat.say("Hello")
        await chat.bus.settled()
    assert learner.learnt == []
    assert learner.spoke == [("One.", None)]
