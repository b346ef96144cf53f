"""Speech of several characters, made side by side and heard without gaps; on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random

import anyio
import pytest
from attrs import define, field, frozen

from aichat.core import Conversation, Prompt, Voice, WordMark
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    Interrupted,
    LineBegan,
    ReplyClause,
    ReplyFinished,
    ReplyText,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio
SIX = ("Ann", "Bob", "Cyd", "Dan", "Eve", "Fay")


@frozen
class Writer:
    """Replies of one to five sentences, 250 ms after the question, fifty words a second."""

    seed: int = 0

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        heard = len(prompt.messages) + prompt.messages[-1].content.count("\n\n")
        dice = Random(f"{self.seed}/{prompt.character.name}/{heard}")
        await anyio.sleep(0.25)
        for _ in range(dice.randint(1, 5)):
            for word in range(count := dice.randint(6, 20)):
                await anyio.sleep(0.02)
                mark = "." if word == count - 1 else "," if dice.random() < 0.1 else ""
                yield "words"[: dice.randint(1, 5)] + f"{mark} "


@define
class Speaker:
    """Speaks at twice the speed of speech, after 200 ms; counts how many it speaks at once."""

    sample_rate: int = SPEAKER_RATE
    max_concurrent: int = 3
    at_once: int = 0
    most: int = 0
    began: list[tuple[str, str]] = field(factory=list)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.began.append((voice.voice, text))
        try:
            await anyio.sleep(0.2)
            for _ in text.split():
                await anyio.sleep(0.175)
                yield b"\0\x08" * (SPEAKER_RATE * 350 // 1000)  # silence is given up after a while
        finally:
            self.at_once -= 1


def gaps(chat: Chat) -> tuple[list[float], list[float]]:
    """Silences on the loudspeaker, in ms: between speakers, and within one speaker's line."""
    between, within = [], []
    audio = [event for event in chat.heard.of(AudioReady) if event.pcm]
    for before, after in pairwise(audio):
        end = before.due + len(before.pcm) / 2 / SPEAKER_RATE
        if before.turn == after.turn:
            gap = max(0.0, (after.due - end) * 1000)
            (within if before.line == after.line else between).append(gap)
    return between, within


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


@pytest.mark.parametrize("slots", [1, 2, 3, 6])
async def test_six_characters_follow_each_other_without_a_gap(slots: int) -> None:
    speaker = Speaker(max_concurrent=slots)
    storage = await a_store(SIX)
    between: list[float] = []
    within: list[float] = []
    for seed in range(4):
        async with a_chat(llm=Writer(seed), tts=speaker, storage=storage) as chat:
            for _ in range(3):
                await chat.say("hi")
            assert len(chat.heard.of(LineBegan)) == 18
            turn, line = gaps(chat)
            between, within = between + turn, within + line
    assert len(between) == 4 * 3 * 5
    assert p95(between) <= 150
    assert max(within) <= 150
    assert speaker.most == slots or slots > 3


async def test_no_more_is_spoken_at_once_than_the_engine_takes_and_the_soonest_comes_first() -> (
    None
):
    speaker, text = Speaker(max_concurrent=1), "{name} says hello to you. " * 3
    async with a_chat(tts=speaker, llm=FakeLlm(text), storage=await a_store(SIX)) as chat:
        await chat.say("hi")
        # spoken in the order of hearing: no line goes before one that has not enough
        assert [name for name, _ in speaker.began] == [name for name in SIX for _ in range(3)]
        assert speaker.most == 1


async def test_a_conversation_that_just_began_goes_before_one_that_has_enough() -> None:
    """Two conversations share an engine that speaks one clause at a time."""
    speaker, storage = Speaker(max_concurrent=1), await a_store(SIX)
    await storage.add_conversation(
        Conversation("d", active_characters=["ann", "bob"]),
    )
    async with a_chat(tts=speaker, llm=Writer(2), storage=storage) as chat:
        await chat.begin("hi", "c")
        await anyio.sleep(8)  # several lines are written, and wait for the engine
        await chat.begin("@Ann hi", "d")
        began = chat.bus.clock.now()
        while chat.heard.of(AudioReady)[-1].turn.conversation != "d":
            await chat.heard.more.wait()
        # the model 0.25 s, its first words, a clause that is being spoken, the voice
        assert chat.bus.clock.now() - began < 0.25 + 1 + 5 + 1
        await chat.bus.settled()


async def test_text_runs_at_most_a_set_time_ahead_of_the_loudspeaker() -> None:
    """Nobody begins to write while more than 30 s of text wait to be heard."""
    async with a_chat(
        tts=FakeTts(ms_per_word=350), llm=Writer(3), storage=await a_store(SIX)
    ) as chat:
        await chat.begin("hi")
        await anyio.sleep(20)
        seconds = len("".join(e.text for e in chat.heard.of(ReplyClause))) / 15
        assert len(chat.heard.of(LineBegan)) < 6
        assert seconds < 20 + 30 + 30  # heard, ahead, and the line that was begun in time
        await chat.bus.settled()
        assert len(chat.heard.of(LineBegan)) == 6
        between, _ = gaps(chat)
        assert max(between) <= 150


async def test_an_interruption_wakes_whoever_waits_to_write() -> None:
    async with a_chat(
        tts=FakeTts(ms_per_word=350), llm=Writer(3), storage=await a_store(SIX)
    ) as chat:
        await chat.begin("hi")
        await anyio.sleep(15)
        written = len(chat.heard.of(LineBegan))
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        assert len(chat.heard.of(LineBegan)) == written < 6
        assert len(chat.heard.of(ReplyText)) > 0


class Mute(FakeTts):
    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        return
        yield b""


async def test_a_voice_that_fails_does_not_hold_up_the_text() -> None:
    async with a_chat(tts=Mute(), llm=Writer(3), storage=await a_store(SIX), failures=True) as chat:
        await chat.say("hi")
        assert len(chat.heard.of(ReplyFinished)) == 6


async def test_a_fast_model_lets_a_clause_be_heard_before_it_writes_on() -> None:
    written, at_first_audio = [], []

    class AtOnce:
        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            for word in ("This", " is", " said", ".", " And") + (" this", " as", " well") * 20:
                written.append(word)
                yield word

    class SpeaksAtOnce:
        sample_rate, max_concurrent = SPEAKER_RATE, 3

        async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
            yield b"\0\x08" * 480

    async with a_chat(llm=AtOnce(), tts=SpeaksAtOnce()) as chat:

        def note(event: AudioReady) -> None:
            at_first_audio.append("".join(written))

        chat.bus.tap(note)
        await chat.begin("Olivia?")
        await chat.until(AudioReady)
    assert at_first_audio[0] == "This is said. And"
