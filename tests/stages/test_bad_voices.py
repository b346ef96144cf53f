"""Voices that never end, drip, stall or send no sound: each costs its clause, never the turn."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from attrs import define, field

from aichat.core import BadAudio, CannotRead, ReferenceClip, Voice, WordMark
from aichat.core.events import AudioReady, HandlerFailed, LineFinished, PlaybackPaused, TurnFinished
from aichat.core.registry.selection import Candidate, State
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.core.testing.leak_checks import assert_it_leaves_nothing
from aichat.stages.speaking import CHUNK_SECONDS
from aichat.toolkit.voices.speech_check import Sound, longest_seconds
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio

TONE = b"\x10\x03\xf0\xfc" * 240  # 20 ms at 24 kHz
SECOND = 50 * TONE


@define(eq=False)
class Odd:
    """Says what *make* yields; counts the bytes that were taken from it, and who was closed."""

    make: Callable[[str], AsyncIterator[Any]]
    sample_rate: int = 24_000
    max_concurrent: int = 2
    taken: int = 0
    asked: list[str] = field(factory=list)
    closed: int = 0

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[Any]:
        self.asked.append(text)
        try:
            async for chunk in self.make(text):
                self.taken += len(chunk) if isinstance(chunk, bytes) else 0
                yield chunk
        finally:
            self.closed += 1


async def endless(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.lowlevel.checkpoint()
        yield TONE


async def endless_without_a_pause(text: str) -> AsyncIterator[bytes]:
    while True:
        yield TONE


async def big_chunks(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.lowlevel.checkpoint()
        yield 30 * SECOND


async def drips(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.sleep(1)
        yield b"\x10\x03"


async def trickles(text: str) -> AsyncIterator[bytes]:
    yield SECOND
    while True:
        await anyio.sleep(5)
        yield TONE


async def zeros(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.lowlevel.checkpoint()
        yield bytes(960)


async def zeros_in_real_time(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.sleep(0.02)
        yield bytes(960)


async def a_faint_hiss(text: str) -> AsyncIterator[bytes]:
    while True:
        await anyio.lowlevel.checkpoint()
        yield b"\x01\x00\xff\xff" * 240


async def falls_silent(text: str) -> AsyncIterator[bytes]:
    yield SECOND
    async for chunk in zeros(text):
        yield chunk


async def no_audio(text: str) -> AsyncIterator[bytes]:
    yield b""


async def empty_chunks(text: str) -> AsyncIterator[bytes]:
    while True:
        yield b""


async def half_a_sample(text: str) -> AsyncIterator[bytes]:
    yield TONE + b"\x01"


async def floats(text: str) -> AsyncIterator[Any]:
    yield np.full(480, np.nan, np.float32)


async def words(text: str) -> AsyncIterator[Any]:
    yield "la la la"


async def marks_without_end(text: str) -> AsyncIterator[Any]:
    while True:
        yield WordMark(0, 1, 0)


async def hangs(text: str) -> AsyncIterator[bytes]:
    await anyio.sleep_forever()
    yield b""


async def hangs_in_the_middle(text: str) -> AsyncIterator[bytes]:
    yield SECOND
    await anyio.sleep_forever()


def errors(chat: Chat) -> list[str]:
    return [str(e.error).partition("\n")[0] for e in chat.heard.of(HandlerFailed)]


def seconds_played(chat: Chat) -> float:
    return sum(len(event.pcm) for event in chat.heard.of(AudioReady)) / 48_000


STALLED = "The voice made no sound for 20 seconds."
WRITES = FakeLlm("Hi there.")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (endless, "The voice went on for over 15 seconds on a text of 9 letters."),
        (endless_without_a_pause, "The voice went on for over 15 seconds on a text of 9 letters."),
        (big_chunks, "The voice went on for over 15 seconds on a text of 9 letters."),
        (drips, STALLED),
        (trickles, STALLED),
        (zeros, "The voice sent silence for over 10 seconds."),
        (zeros_in_real_time, "The voice sent silence for over 10 seconds."),
        (a_faint_hiss, "The voice went on for over 15 seconds on a text of 9 letters."),
        (falls_silent, "The voice sent silence for over 10 seconds."),
        (no_audio, "The voice made no sound."),
        (empty_chunks, "The voice sent 20,000 chunks without a sample."),
        (half_a_sample, "The voice sent half a sample: 961 bytes of 16-bit PCM."),
        (floats, "The voice sent ndarray, not bytes of 16-bit PCM."),
        (words, "The voice sent str, not bytes of 16-bit PCM."),
        (marks_without_end, "The voice marked more words than the text has letters."),
        (hangs, STALLED),
        (hangs_in_the_middle, STALLED),
    ],
)
async def test_a_bad_voice_is_ended_in_words_and_the_text_and_the_next_turn_are_there(
    make: Callable[[str], AsyncIterator[Any]], problem: str
) -> None:
    voice = Odd(make)
    async with a_chat(tts=voice, llm=WRITES, failures=True) as chat:
        before = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        assert errors(chat) == [problem]
        assert (await chat.said())[-1] == ("Olivia", "Hi there.")
        assert chat.bus.clock.now() - before < 60
        assert voice.closed == 1
        voice.make = one_tone
        await chat.say("@Mark hi")
        assert errors(chat) == [problem]
        assert len(chat.heard.of(TurnFinished)) == 2


async def one_tone(text: str) -> AsyncIterator[bytes]:
    yield SECOND


async def test_a_stream_without_end_is_taken_no_faster_than_it_is_played() -> None:
    voice = Odd(endless)
    text = "All of these words are one clause without any pause in it " * 8  # may last for minutes
    assert longest_seconds(text) > 200
    async with a_chat(tts=voice, llm=FakeLlm(text), failures=True) as chat:
        tracemalloc.start()
        await chat.begin("@Olivia hi")
        await anyio.sleep(60)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert seconds_played(chat) == pytest.approx(60.6, abs=0.5)
        first_clause = voice.taken / 48_000
        assert first_clause < seconds_played(chat) + 31
        assert peak < 20e6
        chat.bus.forget("c")


async def test_while_the_loudspeaker_holds_a_stream_without_end_is_held_as_well() -> None:
    voice = Odd(endless)
    text = "All of these words are one clause without any pause in it " * 8
    async with a_chat(tts=voice, llm=FakeLlm(text), failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        chat.bus.post(PlaybackPaused(chat.bus.turn("c"), "user"))
        await anyio.sleep(5)
        taken = voice.taken
        await anyio.sleep(300)
        assert voice.taken == taken <= 32 * 48_000
        assert not errors(chat)  # it is we who do not take more
        chat.bus.forget("c")


async def test_a_later_line_without_end_does_not_keep_the_only_engine_from_the_line_before() -> (
    None
):
    async def second_is_endless(text: str) -> AsyncIterator[bytes]:
        if text.startswith("Mark"):
            async for chunk in endless(text):
                yield chunk
        await anyio.sleep(0.2)
        yield SECOND

    voice = Odd(second_is_endless, max_concurrent=1)
    llm = FakeLlm("{name} is first. Then there is more of it. And more, and more. And the end.")
    async with a_chat(tts=voice, llm=llm, failures=True) as chat:
        await chat.say("@Olivia @Mark hi")
        assert len(errors(chat)) == 1
        assert "went on for over" in errors(chat)[0]
        assert [e.line.name for e in chat.heard.of(LineFinished)] == ["Olivia", "Mark"]
        olivias = [e for e in chat.heard.of(AudioReady) if e.line.name == "Olivia"]
        assert sum(len(event.pcm) for event in olivias) == len(SECOND) * len(olivia_said(voice))


def olivia_said(voice: Odd) -> list[str]:
    """The clauses that were asked for, but for the one with which Mark begins."""
    return [text for text in voice.asked if not text.startswith("Mark")]


@pytest.mark.parametrize("make", [hangs, drips, zeros_in_real_time])
@pytest.mark.parametrize("max_concurrent", [1, 3])
async def test_two_replies_of_a_stalled_voice_wait_once(
    make: Callable[[str], AsyncIterator[Any]], max_concurrent: int
) -> None:
    voice = Odd(make, max_concurrent=max_concurrent)
    llm = FakeLlm("{name} is here. I have a lot to say. This is the third clause. And a fourth.")
    async with a_chat(tts=voice, llm=llm, failures=True) as chat:
        before = chat.bus.clock.now()
        await chat.say("@Olivia @Mark hi")
        assert chat.bus.clock.now() - before <= CHUNK_SECONDS + 2
        assert len(errors(chat)) == 1  # once, not for each clause
        assert [name for name, _ in await chat.said()] == ["user", "Olivia", "Mark"]
        assert len(voice.asked) <= 2


def second(chat: Chat, part: str, backend: Any) -> None:
    """Let another candidate be ready behind the first."""
    candidate = Candidate(part, "second", lambda: backend, state=State.READY, backend=backend)
    role = chat.parts.roles[part]
    role.candidates = [*role.candidates, candidate]


async def test_after_a_stall_the_next_ready_voice_speaks_and_the_next_turns_begin_with_it() -> None:
    first, other = Odd(hangs), FakeTts()
    async with a_chat(tts=first, llm=FakeLlm("One, two. Three is next."), failures=True) as chat:
        second(chat, "tts", other)
        before = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        assert errors(chat) == [STALLED]
        assert seconds_played(chat) == pytest.approx(0.5)  # every word, the first clause as well
        assert chat.bus.clock.now() - before < CHUNK_SECONDS + 3
        asked, before = len(first.asked), chat.bus.clock.now()
        await chat.say("@Mark hi")
        assert chat.bus.clock.now() - before < 3
        assert len(first.asked) == asked
        await anyio.sleep(70)
        first.make = one_tone
        await chat.say("@Olivia hi")  # it has had its rest
        assert len(first.asked) > asked
        assert errors(chat) == [STALLED]


async def test_what_was_heard_of_a_clause_is_not_said_twice_by_the_next_voice() -> None:
    first, other = Odd(hangs_in_the_middle), Odd(one_tone)
    async with a_chat(tts=first, llm=FakeLlm("One, two. Three is next."), failures=True) as chat:
        second(chat, "tts", other)
        await chat.say("@Olivia hi")
        assert errors(chat) == [STALLED]
        assert other.asked == ["Three is next."] or other.asked[-1].strip() == "Three is next."
        assert first.asked[0] not in other.asked


async def test_a_voice_that_fails_at_once_is_asked_again_for_the_next_clause() -> None:
    async def stumbles(text: str) -> AsyncIterator[bytes]:
        if text.startswith("One"):
            raise RuntimeError("one moment")
        yield SECOND

    async with a_chat(tts=Odd(stumbles), llm=FakeLlm("One, two. Three."), failures=True) as chat:
        await chat.say("@Olivia hi")
        assert errors(chat)[0] == "one moment"
        assert seconds_played(chat) >= 1


async def test_bad_voices_leave_no_task_and_no_thread() -> None:
    async def work() -> None:
        for make in (endless, drips, hangs, zeros, half_a_sample, empty_chunks):
            async with a_chat(tts=Odd(make), llm=WRITES, failures=True) as chat:
                await chat.say("hi")

    await assert_it_leaves_nothing(work)


@pytest.mark.parametrize("rate", [0, -1, None, 24_000.0, "24000"])
def test_a_sample_rate_that_is_none_is_told(rate: Any) -> None:
    with pytest.raises(BadAudio, match="its sample rate is"):
        Sound("Hi.", rate)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("1234567", 6), ("你好，世界。", 4), ("No.", 8), ("word " * 60, 150)],
)
def test_no_slow_voice_comes_near_the_limit(text: str, seconds: float) -> None:
    assert longest_seconds(text) > seconds


async def test_what_a_voice_cannot_read_is_told_once_and_the_next_voice_reads_it() -> None:
    async def reads_latin(text: str) -> AsyncIterator[bytes]:
        yield SECOND
        if not text.isascii():
            raise CannotRead("The voice cannot read Khmer script.", "Choose another.")

    async def reads_nothing(text: str) -> AsyncIterator[bytes]:
        raise CannotRead("The voice cannot read Khmer script.", "Choose another.")
        yield b""

    llm = FakeLlm("សួស្តី, yes. A second sentence. ពិភពលោក, no.")
    async with a_chat(tts=Odd(reads_latin), llm=llm, failures=True) as chat:
        for _ in range(2):
            await chat.say("@Olivia hi")
        assert errors(chat) == ["The voice cannot read Khmer script."]
        assert seconds_played(chat) >= 6  # what it could read was heard
    async with a_chat(tts=Odd(reads_nothing), llm=llm, failures=True) as chat:
        second(chat, "tts", other := Odd(one_tone))
        await chat.say("@Olivia hi")
        assert errors(chat) == ["The voice cannot read Khmer script."]
        assert len(other.asked) == seconds_played(chat)
        assert "".join(text.strip() for text in other.asked).startswith("សួស្តី")


@pytest.mark.parametrize("count", [0, -3])
async def test_a_voice_that_says_it_can_do_nothing_at_once_does_one_thing(count: int) -> None:
    async with a_chat(tts=Odd(one_tone, max_concurrent=count), llm=WRITES) as chat:
        await chat.say("@Olivia hi")
        assert seconds_played(chat) == 1


@define(eq=False)
class NeverLearns(Odd):
    def knows(self, voice: Voice) -> bool:
        return False

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> None:
        await anyio.sleep_forever()


async def test_an_engine_that_never_gets_to_know_a_voice_is_waited_for_once() -> None:
    store = await a_store()
    for name in ("Olivia", "Mark"):
        await store.add_voice(Voice(name, speaker_desc="A calm voice"))
        await store.change_character(name.lower(), {"voice": name})
    voice = NeverLearns(one_tone)
    async with a_chat(tts=voice, llm=WRITES, storage=store, failures=True) as chat:
        before = chat.bus.clock.now()
        await chat.say("@Olivia @Mark hi")
        assert errors(chat) == ["The voice was not learnt for 60 seconds."]
        assert chat.bus.clock.now() - before < 70
        assert seconds_played(chat) == 2  # it speaks as it can
