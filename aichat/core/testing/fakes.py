"""Fake backends without models: deterministic, and immediate or with a given delay."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from attrs import define, field, frozen

from aichat.core.backends import Ability, Pause, Utterance, WordMark
from aichat.core.models import Prompt, Voice


@frozen
class FakeVadStream:
    """Any sample that is not zero is speech."""

    def is_speech(self, pcm: bytes) -> bool:
        """Return whether the frame holds a sound."""
        return bool(pcm.strip(b"\0"))


@frozen
class FakeVad:
    """Voice activity detection in frames of 20 ms: any sound is speech."""

    frame_samples: int = 320

    def stream(self) -> FakeVadStream:
        """Start detection for one microphone."""
        return FakeVadStream()


@frozen
class FakeTurn:
    """Ends a turn after *end_ms* of silence."""

    end_ms: int = 0
    barge_in_ms: int = 0
    speculate: str = "off"

    def is_over(self, pause: Pause) -> bool:
        """Judge by the silence alone."""
        return pause.silence_ms >= self.end_ms


@define
class FakeStt:
    """Transcribes everything as *text*, after *seconds*; an empty text: the length of the audio."""

    text: str = ""
    seconds: float = 0.0
    asked: list[Utterance] = field(factory=list)

    async def transcribe(self, utterance: Utterance) -> str:
        """Return the text."""
        self.asked.append(utterance)
        await anyio.sleep(self.seconds)
        return self.text or f"{len(utterance.pcm) // 32} ms of speech"


@define
class FakeLlm:
    """Writes *text*, a word every *seconds*; ``{name}`` stands for the character."""

    text: str = "{name} here. I agree, of course. What else?"
    seconds: float = 0.0
    asked: list[Prompt] = field(factory=list)

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        """Write the text word by word."""
        self.asked.append(prompt)
        for word in self.text.format(name=prompt.character.name).split(" "):
            await anyio.sleep(self.seconds)
            yield word + " "


@frozen
class FakeTts:
    """A tone of *ms_per_word* for each word, in chunks of 20 ms, each after *seconds*."""

    sample_rate: int = 24_000
    max_concurrent: int = 3
    ms_per_word: int = 100
    seconds: float = 0.0
    abilities: frozenset[Ability] = frozenset({"word_times"})

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        """Stream the tone, with a mark for each word."""
        chunk = b"\x10\x03\xf0\xfc" * (self.sample_rate // 100)
        place = 0
        for word in text.split():
            place = text.index(word, place)
            at = self.sample_rate * self.ms_per_word // 1000 * len(text[:place].split())
            yield WordMark(place, place + len(word), at)
            for _ in range(self.ms_per_word // 20):
                await anyio.sleep(self.seconds)
                yield chunk
            place += len(word)
