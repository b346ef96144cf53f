"""Speech recognition behind an OpenAI-compatible server, at ``/audio/transcriptions``."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Literal

from attrs import define

from aichat.core import BackendFailed, Utterance
from aichat.core.events import MIC_RATE
from aichat.toolkit.wav import wav_file

from .client import Client
from .stream import cleaned

SHORTEST = MIC_RATE // 10 * 2
"""Bytes of 0.1 s: servers refuse less, and no word is so short."""
FAINTEST = 100
"""Samples up to this loudness, of 32,767, are silence; models imagine words in it."""
LONGEST_PROMPT = 800
"""Letters; Whisper reads 224 tokens."""


@define(eq=False)
class OpenAiStt(Client):
    """Uploads each utterance as a WAV file. *seconds* is the longest wait, retry included.

    *language* is an ISO 639-1 code ("": it is detected); *prompt* shows the model style and words.
    *partials* says whether transcripts are asked for while the user still speaks; "auto": if that
    costs nothing.
    """

    part = "stt"
    what = "speech recogniser"
    uses = "audio.transcriptions"

    model: str = "whisper-1"
    language: str = ""
    prompt: str = ""
    partials: Literal["auto", "on", "off"] = "auto"
    max_concurrent: int = 4
    seconds: float = 20

    def _longest(self) -> float:
        return self.seconds

    @property
    def guesses(self) -> bool:
        """Whether interim transcripts may be requested."""
        return self.partials == "on" or (self.partials == "auto" and not self.charges)

    async def transcribe(self, utterance: Utterance) -> str:
        if _is_silent(utterance.pcm):
            return ""
        request = {
            "file": ("speech.wav", wav_file(utterance.pcm, MIC_RATE), "audio/wav"),
            "model": self.model,
            "response_format": "json",
            "extra_body": self.extra_body,
        }
        if self.language:
            request["language"] = self.language
        if prompt := hints(self.prompt, utterance.hotwords):
            request["prompt"] = prompt
        return await self._server.twice(lambda: self._try(request), self.seconds)

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
