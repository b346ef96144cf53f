"""Uploaded clips become voices, and uploaded pictures faces."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import anyio
from attrs import define, field, frozen

from aichat.core import (
    AichatError,
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
from aichat.toolkit.transcript_check import transcript
from aichat.toolkit.voice_cloning import introduce

from .clips import Clip, TooLarge, decode
from .files import AT_ONCE, WAITING, Busy, File, read_at_most
from .pictures import Pictures

__all__ = [
    "LIMIT_BYTES",
    "Busy",
    "KeptClip",
    "Pictures",
    "TooLarge",
    "Uploads",
    "consented",
    "learnt",
]

LIMIT_BYTES = 20_000_000
TRANSCRIPT_SECONDS = 120.0
LEARNING_SECONDS = 30.0

log = logging.getLogger(__name__)


@frozen
class KeptClip:
    """A clip that is kept, and what is said in it: keys of clips, the words, the length."""

    audio_path: str
    text_path: str | None
    transcript: str
    seconds: float


@define(eq=False)
class Uploads:
    """Keeps clips and clones voices, a few at a time."""

    slots: anyio.CapacityLimiter = field(factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def clone(
        self, parts: Parts, name: str, file: File, transcript: str, *, consent: bool = False
    ) -> Voice:
        """Keep a clip and its transcript, and make a voice of them.

        Raises Conflict when there is such a voice, :class:`BadValue`, :class:`TooLarge`, and
        :class:`NotReady` when there is no transcript and nobody to write one.
        """
        self._refuse_crowd()
        await require_free(parts.storage, name)
        clip = await self.keep(parts, file, transcript)
        settings = consented() if consent else {}
        made = await parts.storage.add_voice(
            Voice(
                name,
                "clone",
                audio_path=clip.audio_path,
                text_path=clip.text_path,
                settings=settings,
            )
        )
        await learnt(parts, made)
        return await parts.storage.voice(name)

    async def keep(self, parts: Parts, file: File, transcript: str) -> KeptClip:
        """Keep a clip for a voice that may come of it, and its transcript; write one if need be.

        What is no clip is refused before anybody is missed who could write it down.
        """
        self._refuse_crowd()
        async with self.slots:
            clip = await decode(await read_at_most(file, LIMIT_BYTES, "Send a shorter clip."))
            words = transcript or await _written_down(_stt(parts), clip)
        audio = await parts.storage.add_clip(clip.wav(), "wav")
        text = await keep_words(parts.storage, words)
        return KeptClip(audio, text, words, clip.seconds)

    def _refuse_crowd(self) -> None:
        if self.slots.statistics().tasks_waiting >= WAITING:
            raise Busy("Too many clips are being decoded.", "Try again in a minute.")


async def learnt(parts: Parts, voice: Voice) -> str:
    """Let the engine get to know a voice that was just made, so that nobody waits for it later.

    Return what the user should know: nothing as a rule. What fails here is done, or told, when
    somebody speaks in the voice.
    """
    try:
        with anyio.fail_after(LEARNING_SECONDS):
            await introduce(voice, parts.tts, parts.storage)
    except TimeoutError:
        return "The engine is still getting to know it: its first words will take a while."
    except AichatError as error:
        log.warning("the voice just made is not known to the engine yet: %s", error.problem)
        return f"But the engine cannot speak in it yet: {error.line}"
    return ""


def consented() -> dict[str, str]:
    """Note that whoever is heard in a clip agreed, now."""
    return {"consent": datetime.now(UTC).isoformat(timespec="seconds")}


async def keep_words(storage: Storage, words: str) -> str | None:
    """Keep a transcript; return its key, or None where there are no words."""
    return await storage.add_clip(words.encode(), "txt") if words else None


async def require_free(storage: Storage, name: str) -> None:
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


async def _written_down(stt: Stt, clip: Clip) -> str:
    utterance = Utterance(new_id(), await clip.for_stt(), final=True)
    try:
        with anyio.fail_after(TRANSCRIPT_SECONDS):
            return transcript(await stt.transcribe(utterance), utterance)
    except TimeoutError:
        raise TimedOut(
            f"The clip was not written down within {TRANSCRIPT_SECONDS:g} seconds.",
            "Send its transcript with it.",
        ) from None
