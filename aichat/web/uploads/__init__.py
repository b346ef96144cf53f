"""Uploaded clips become voices."""

from __future__ import annotations

from typing import Protocol

import anyio
from attrs import define, field

from aichat.core import (
    Conflict,
    NotFound,
    NotReady,
    Parts,
    Storage,
    Stt,
    TimedOut,
    Utterance,
    Voice,
    new_id,
)

from .clips import Clip, TooLarge, decode

__all__ = ["LIMIT_BYTES", "TooLarge", "Uploads"]

LIMIT_BYTES = 20_000_000
AT_ONCE = 2
"""So many clips are decoded and written down side by side."""
WAITING = 8
"""So many more may wait."""
TRANSCRIPT_SECONDS = 120.0


class File(Protocol):
    """An uploaded file."""

    async def read(self, size: int = -1) -> bytes:
        """Return what is left of it, at most *size* bytes."""
        ...


class Busy(NotReady):
    """Too many clips are being decoded."""

    code = "busy"


@define(eq=False)
class Uploads:
    """Clones voices, a few at a time."""

    slots: anyio.CapacityLimiter = field(factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def clone(self, parts: Parts, name: str, file: File, transcript: str) -> Voice:
        """Keep a clip and its transcript, and make a voice of them.

        Raises Conflict when there is such a voice, :class:`BadValue`, :class:`TooLarge`, and
        :class:`NotReady` when there is no transcript and nobody to write one.
        """
        if self.slots.statistics().tasks_waiting >= WAITING:
            raise Busy("Too many clips are being decoded.", "Try again in a minute.")
        await _require_free(parts.storage, name)
        stt = None if transcript else _stt(parts)
        async with self.slots:
            clip = await decode(await _read(file))
            words = await _written_down(stt, clip) if stt else transcript
        return await _kept(parts.storage, name, clip, words)


async def _require_free(storage: Storage, name: str) -> None:
    """Refuse a name that is taken before there is any work."""
    try:
        await storage.voice(name)
    except NotFound:
        return
    raise Conflict(f"There is a voice {name!r} already.", "Choose another name.")


def _stt(parts: Parts) -> Stt:
    try:
        return parts.stt
    except NotReady as error:
        raise NotReady(
            f"Nobody can write the clip down now. {error.problem}",
            "Send its transcript with it, or try again in a minute.",
        ) from error


async def _read(file: File) -> bytes:
    data = await file.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise TooLarge(f"The file is over {LIMIT_BYTES // 10**6} MB.", "Send a shorter clip.")
    return data


async def _written_down(stt: Stt, clip: Clip) -> str:
    utterance = Utterance(new_id(), await clip.for_stt(), final=True)
    try:
        with anyio.fail_after(TRANSCRIPT_SECONDS):
            return (await stt.transcribe(utterance)).strip()
    except TimeoutError:
        raise TimedOut(
            f"The clip was not written down within {TRANSCRIPT_SECONDS:g} seconds.",
            "Send its transcript with it.",
        ) from None


async def _kept(storage: Storage, name: str, clip: Clip, words: str) -> Voice:
    audio = await storage.add_clip(clip.wav(), "wav")
    text = await storage.add_clip(words.encode(), "txt") if words else None
    return await storage.add_voice(Voice(name, "clone", audio_path=audio, text_path=text))
