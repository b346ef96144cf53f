"""Simulated backends with the latency of real ones: for tests on virtual time, and benches.

Their latency to the first word or sound, their speed, jitter and failure rate are settings. Random
numbers come from a generator for each backend, seeded with *seed*, so that two runs on virtual time
are equal to the last event.

    stt, llm = SimulatedStt(seconds=0.15), SimulatedLlm(first=0.25)
    tts = SimulatedTts(first=0.2, real_time_factor=0.5, jitter=0.2, seed=7)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from random import Random

import anyio
from attrs import Factory, define, field

from aichat.core.backends import Utterance, WordMark
from aichat.core.errors import BackendFailed
from aichat.core.events import MIC_RATE
from aichat.core.models import Prompt, Voice

CHUNK_MS = 160
"""Speech comes in pieces of this length."""
SAID = ("tell me more about that", "what do you think", "why is that so", "and then what happened")
WRITTEN = (
    "Well, that is a fair question. I would begin with the simplest thing that could work.",
    "I am not so sure. Last year we tried it, and nobody was happy with how it came out.",
    "Of course. Give me a moment, and I will tell you all of it from the beginning.",
)


@define
class Engine:
    """Base class of simulated backends: jitter and failures."""

    jitter: float = field(default=0.0, kw_only=True)
    """Largest relative deviation of each delay."""
    fail_rate: float = field(default=0.0, kw_only=True)
    """Share of the calls that fail."""
    seed: int = field(default=0, kw_only=True)
    random: Random = field(
        init=False,
        repr=False,
        default=Factory(lambda self: Random(self.seed), takes_self=True),  # noqa: S311
    )

    async def take(self, seconds: float) -> None:
        """Let *seconds* pass, more or less."""
        await anyio.sleep(seconds * (1 + self.jitter * self.random.uniform(-1, 1)))

    def maybe_fail(self) -> None:
        """Raise :class:`BackendFailed` at the failure rate."""
        if self.random.random() < self.fail_rate:
            raise BackendFailed("The simulated engine failed, as configured.", "Ask again.")


@define
class SimulatedStt(Engine):
    """Transcribes utterances as *texts* in turn; a final transcript takes *seconds*.

    An interim transcript holds the words that fit into the audio at *words_per_second*, and takes
    half as long.
    """

    seconds: float = 0.15
    texts: Sequence[str] = SAID
    words_per_second: float = 3.0
    heard: int = field(init=False, default=0)
    """Utterances with a final transcript so far."""

    async def transcribe(self, utterance: Utterance) -> str:
        """Return the transcript of an utterance."""
        text = self.texts[self.heard % len(self.texts)]
        await self.take(self.seconds if utterance.final else self.seconds / 2)
        self.maybe_fail()
        if utterance.final:
            self.heard += 1
            return text
        seconds = len(utterance.pcm) / 2 / MIC_RATE
        return " ".join(text.split()[: int(seconds * self.words_per_second)])


@define
class SimulatedLlm(Engine):
    """Writes one of *texts* after the other: a word after *first* seconds, then each *each*."""

    first: float = 0.25
    each: float = 0.02
    texts: Sequence[str] = WRITTEN
    asked: int = field(init=False, default=0)

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        """Write word by word; a failure comes in the middle of the text."""
        words = self.texts[self.asked % len(self.texts)].split(" ")
        self.asked += 1
        for place, word in enumerate(words):
            await self.take(self.each if place else self.first)
            if place == len(words) // 2:
                self.maybe_fail()
            yield word if place == len(words) - 1 else word + " "


@define
class SimulatedTts(Engine):
    """A tone for each word of *ms_per_word*, the first sound after *first* seconds.

    A second of speech takes *real_time_factor* seconds to make; word times are known if
    *has_marks*.
    """

    first: float = 0.2
    real_time_factor: float = 0.5
    ms_per_word: int = 320
    sample_rate: int = 24_000
    max_concurrent: int = 4
    has_marks: bool = True

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        """Make the tone word by word, in pieces of 160 ms or what is left of a word."""
        await self.take(self.first)
        self.maybe_fail()
        place, sample = 0, 0
        for word in text.split():
            place = text.index(word, place)
            if self.has_marks:
                yield WordMark(place, place + len(word), sample)
            place += len(word)
            for ms in self._pieces():
                await self.take(ms / 1000 * self.real_time_factor)
                samples = self.sample_rate * ms // 1000
                sample += samples
                yield (b"\x10\x03\xf0\xfc" * (samples // 2 + 1))[: 2 * samples]

    def _pieces(self) -> list[int]:
        whole, rest = divmod(self.ms_per_word, CHUNK_MS)
        return [CHUNK_MS] * whole + [rest] * bool(rest)
