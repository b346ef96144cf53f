"""A chat that is spoken to; its engines take time, and write down what they are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import anyio
from attrs import define, field

from aichat.core import Prompt, Utterance, Voice, WordMark
from aichat.core.testing.fakes import FakeTurn
from support.chat import Chat, a_chat


def eager(end_ms: int = 700, speculate: str = "auto") -> FakeTurn:
    return FakeTurn(end_ms=end_ms, barge_in_ms=250, speculate=speculate)


@define
class Engines:
    """STT 150 ms, language model 250 ms to the first word, voice 200 ms; all write down."""

    texts: list[str] = field(factory=lambda: ["hello Mark"])
    """What the recogniser hears, one for each stretch of voice."""
    asked: list[Prompt] = field(factory=list)
    spoken: list[str] = field(factory=list)
    finals: int = 0
    sample_rate: int = 24_000
    max_concurrent: int = 3
    charges: bool = False

    async def transcribe(self, utterance: Utterance) -> str:
        self.finals += utterance.final
        voiced = utterance.pcm.strip(b"\0")
        stretches = [piece for piece in voiced.split(bytes(640 * 3)) if piece.strip(b"\0")]
        await anyio.sleep(0.15)
        return " ".join(self.texts[: len(stretches)])

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        self.asked.append(prompt)
        await anyio.sleep(0.25)
        for word in [
            "Well,",
            "I",
            "see",
            "what",
            "you",
            "mean.",
            "There",
            "is",
            "more",
            "to",
            "say.",
        ]:
            yield word + " "
            await anyio.sleep(0.005)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        self.spoken.append(text)
        await anyio.sleep(0.2)
        for _ in text.split():
            yield b"\x10\x03" * 4800


def a_spoken_chat(
    engines: Engines, turn: FakeTurn, **more: object
) -> AbstractAsyncContextManager[Chat]:
    return a_chat(stt=engines, llm=engines, tts=engines, turn=turn, **more)
