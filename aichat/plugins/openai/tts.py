"""Voices behind an OpenAI-compatible server, at ``/audio/speech``: raw PCM as it is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from attrs import define

from aichat.core import Ability, BackendFailed, TimedOut, Voice, closing, next_within
from aichat.toolkit.voices.matching import sounds_like, stable_bytes

from .client import OPENAI, Client, origin

WOMEN = ("coral", "nova", "sage", "shimmer")
MEN = ("ash", "echo", "fable", "onyx")
"""Voices that all of OpenAI's models have, and who they sound like."""
USUAL = "alloy"
LONGEST_TEXT = 4_000
"""Letters in one request; OpenAI takes 4,096."""

Chunks = AsyncGenerator[bytes, None]


@define(eq=False)
class OpenAiTts(Client):
    """Speaks in the voice that ``settings["voice"]`` of a voice names, else in *voice*.

    Without *voice*, OpenAI's own server gets one of its voices that fits, always the same for a
    name; others get "alloy". *sample_rate* is what the server's PCM has. With *instructions* the
    voice's description and its scene are sent along, for models that follow them. Times are in
    seconds; *first_seconds* covers the retry, *between_seconds* is the longest pause within a
    clause.
    """

    part = "tts"
    what = "voice"
    uses = "audio.speech"

    model: str = "gpt-4o-mini-tts"
    voice: str = ""
    sample_rate: int = 24_000
    instructions: bool = True
    speed: float | None = None
    max_concurrent: int = 3
    first_seconds: float = 15
    between_seconds: float = 10

    def _longest(self) -> float:
        return self.first_seconds + self.between_seconds  # ours are shorter

    @property
    def abilities(self) -> frozenset[Ability]:
        """A description shapes the voice, if the model follows instructions."""
        return frozenset({"describe"}) if self.instructions else frozenset()

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        for part in parts(text):
            chunks, chunk = await self._begun(self._request(part, voice))
            async with closing(chunks):
                while chunk is not None:
                    yield chunk
                    chunk = await self._next(chunks)

    def _request(self, text: str, voice: Voice) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "input": text,
            "voice": self._voice(voice),
            "response_format": "pcm",
            "extra_body": self.extra_body,
        }
        described = (voice.speaker_desc.strip(), voice.scene_prompt.strip())
        manner = "\n".join(filter(None, described))
        if self.instructions and manner:
            request["instructions"] = manner
        if self.speed is not None:
            request["speed"] = self.speed
        return request

    def _voice(self, voice: Voice) -> str:
        named = voice.settings.get("voice")
        if isinstance(named, str) and named:
            return named
        if self.voice or origin(self.base_url) != OPENAI:
            return self.voice or USUAL
        like = sounds_like(voice)
        known = {"woman": WOMEN, "man": MEN}.get(like, (*WOMEN, *MEN))
        return known[stable_bytes(voice)[0] % len(known)]

    async def _begun(self, request: dict[str, Any]) -> tuple[Chunks, bytes | None]:
        """Return the sound and its beginning."""
        return await self._server.twice(lambda: self._try(request), self.first_seconds)

    async def _try(self, request: dict[str, Any]) -> tuple[Chunks, bytes | None]:
        chunks = self._sound(request)
        try:
            return chunks, await anext(chunks, None)
        except BaseException:
            await chunks.aclose()
            raise

    async def _sound(self, request: dict[str, Any]) -> Chunks:
        """Yield the sound in whole samples."""
        speech = self._server.client.audio.speech.with_streaming_response
        rest, has_sound = b"", False
        async with _answered(speech.create(**request)) as response:
            if _is_text(response.headers.get("content-type", "")):
                raise BackendFailed(
                    "The voice's server sent text, not sound.", "Check base_url in [tts.openai]."
                )
            async with closing(response.iter_bytes()) as pieces:
                async for piece in pieces:
                    data = rest + piece
                    rest = data[len(data) // 2 * 2 :]
                    if whole := data[: len(data) // 2 * 2]:
                        has_sound = True
                        yield whole
        if not has_sound:
            raise BackendFailed("The voice said nothing.", "Try again, or choose another voice.")

    async def _next(self, chunks: Chunks) -> bytes | None:
        try:
            return await next_within(chunks, self.between_seconds, "The voice's next sound")
        except TimedOut:
            raise
        except Exception as error:
            raise self._server.explained(error) from None


@asynccontextmanager
async def _answered(asked: Any) -> AsyncIterator[Any]:
    """Enter what the library gives for a streamed answer; leave it also when cancelled."""
    response = await asked.__aenter__()
    try:
        yield response
    finally:
        with anyio.move_on_after(2, shield=True):
            await asked.__aexit__(None, None, None)


def parts(text: str) -> Iterator[str]:
    """Cut a text that is too long for one request, at spaces; nothing where there is no word."""
    while len(text) > LONGEST_TEXT:
        cut = text.rfind(" ", 1, LONGEST_TEXT) + 1 or LONGEST_TEXT
        if any(letter.isalnum() for letter in text[:cut]):
            yield text[:cut].strip()
        text = text[cut:]
    if any(letter.isalnum() for letter in text):
        yield text.strip()


def _is_text(kind: str) -> bool:
    return kind.startswith(("text/", "application/json"))
