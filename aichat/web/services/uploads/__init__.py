"""Uploads: clips become cloned voices, pictures become faces of characters."""

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
from aichat.toolkit.transcripts.plausibility import transcript
from aichat.toolkit.voices.cloning import introduce

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
"""Timeout for transcribing a clip."""
LEARNING_SECONDS = 30.0
"""Timeout for introducing a new voice to the engine."""

log = logging.getLogger(__name__)


@frozen
class KeptClip:
    """A stored clip: the keys of audio and transcript, the words, the length."""

    audio_path: str
    text_path: str | None
    transcript: str
    seconds: float


@define(eq=False)
class Uploads:
    """Stores clips and clones voices, a few at a time."""

    slots: anyio.CapacityLimiter = field(factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def clone(
        self, parts: Parts, name: str, file: File, transcript: str, *, consent: bool = False
    ) -> Voice:
        """Store a clip and its transcript, and make a voice of them.

        Raises Conflict when the voice exists, :class:`BadValue`, :class:`TooLarge`, and
        :class:`NotReady` when there is no transcript and no recogniser is ready.
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
        """Store a clip for a later voice, and its transcript; transcribe it if none is given.

        An invalid clip is refused before a missing recogniser is reported.
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
    """Introduce a new voice to the engine, so that its first sentence is not delayed.

    Return a notice for the user, normally "". After a failure the engine is introduced again, or
    the error is reported, when a character speaks in the voice.
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
    """Return voice settings that record consent of the clip's speaker, given now."""
    return {"consent": datetime.now(UTC).isoformat(timespec="seconds")}


async def keep_words(storage: Storage, words: str) -> str | None:
    """Store a transcript; return its key, or None where there are no words."""
    return await storage.add_clip(words.encode(), "txt") if words else None


async def require_free(storage: Storage, name: str) -> None:
    """Check that a voice's name is free. Raises Conflict."""
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
            f"The clip cannot be transcribed now. {error.problem}",
            "Send its transcript with it, or try again in a minute.",
        ) from error


async def _written_down(stt: Stt, clip: Clip) -> str:
    utterance = Utterance(new_id(), await clip.for_stt(), final=True)
    try:
        with anyio.fail_after(TRANSCRIPT_SECONDS):
            return transcript(await stt.transcribe(utterance), utterance)
    except TimeoutError:
        raise TimedOut(
            f"The clip was not transcribed within {TRANSCRIPT_SECONDS:g} seconds.",
            "Send its transcript with it.",
        ) from None
