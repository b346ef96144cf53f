"""Speech recognition behind an OpenAI-compatible server, at ``/audio/transcriptions``."""

from __future__ import annotations

import io
import wave
from array import array
from collections.abc import Iterable
from typing import Any, Literal

import anyio
from attrs import Factory, define, field

from aichat.core import BackendFailed, Utterance
from aichat.core.events import MIC_RATE

from .openai_client import Server, may_pass
from .openai_stream import cleaned

SHORTEST = MIC_RATE // 10 * 2
"""Bytes of 0.1 s: servers refuse less, and no word is so short."""
FAINTEST = 100
"""Samples up to this loudness, of 32,767, are silence; models imagine words in it."""
RETRY_SECONDS = 0.25
LONGEST_PROMPT = 800
"""Letters; Whisper reads 224 tokens."""


@define(eq=False)
class OpenAiStt:
    """Uploads each utterance as a WAV file. *seconds* is the longest wait, retry included.

    *language* is an ISO 639-1 code ("": it is detected); *prompt* shows the model style and words.
    *partials* says whether transcripts are asked for while the user still speaks; "auto": if that
    costs nothing.
    """

    model: str = "whisper-1"
    api_key: str = field(default="", repr=False)
    base_url: str = "https://api.openai.com/v1"
    key_origin: str = ""
    language: str = ""
    prompt: str = ""
    partials: Literal["auto", "on", "off"] = "auto"
    max_concurrent: int = 4
    seconds: float = 20
    extra_body: dict[str, Any] = Factory(dict)
    _server: Server = field(init=False, repr=False)

    @_server.default
    def _its_server(self) -> Server:
        key, where = self.api_key, self.base_url
        return Server("stt", "speech recogniser", where, key, self.key_origin, self.seconds)

    async def __aenter__(self) -> OpenAiStt:
        await self._server.open()
        _ = self._server.client.audio.transcriptions  # loads its part of the library now
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def charges(self) -> bool:
        """Somebody else's machine wants to be paid; one's own does not."""
        return not self._server.is_here

    @property
    def guesses(self) -> bool:
        """It may be asked before the user has finished."""
        return self.partials == "on" or (self.partials == "auto" and not self.charges)

    async def transcribe(self, utterance: Utterance) -> str:
        if _is_silent(utterance.pcm):
            return ""
        request = {
            "file": ("speech.wav", _wav(utterance.pcm), "audio/wav"),
            "model": self.model,
            "response_format": "json",
            "extra_body": self.extra_body,
        }
        if self.language:
            request["language"] = self.language
        if prompt := hints(self.prompt, utterance.hotwords):
            request["prompt"] = prompt
        return await self._asked(request)

    async def _asked(self, request: dict[str, Any]) -> str:
        """Ask, a second time if the server stumbled."""
        try:
            with anyio.fail_after(self.seconds):
                try:
                    return await self._try(request)
                except Exception as error:
                    if not may_pass(error):
                        raise
                await anyio.sleep(RETRY_SECONDS)
                return await self._try(request)
        except TimeoutError:
            raise self._server.silent(self.seconds) from None
        except Exception as error:
            raise self._server.explained(error) from None

    async def _try(self, request: dict[str, Any]) -> str:
        written = await self._server.client.audio.transcriptions.create(**request)
        if not isinstance(text := getattr(written, "text", None), str):
            raise BackendFailed(
                "The speech recogniser answered without a text.", "Check base_url in [stt.openai]."
            )
        return cleaned(text).strip()


def hints(prompt: str, hotwords: Iterable[str]) -> str:
    """Write what the model is to expect: the setting's words, then names, as many as fit."""
    text = prompt.strip()
    for word in hotwords:
        longer = f"{text}{', ' if text and not text.endswith(('.', '!', '?')) else ' '}{word}"
        if len(longer) > LONGEST_PROMPT:
            break
        text = longer.strip()
    return text


def _is_silent(pcm: bytes) -> bool:
    if len(pcm) < SHORTEST:
        return True
    some = array("h", pcm[: len(pcm) // 2 * 2])[::8]  # a voice is not silent in one of eight
    return max(max(some), -min(some)) <= FAINTEST


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(MIC_RATE)
        writer.writeframes(pcm)
    return file.getvalue()
