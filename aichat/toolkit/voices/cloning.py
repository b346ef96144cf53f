"""Teaches an engine a voice before it speaks in it.

An engine that :class:`~aichat.core.backends.Clones` learns a voice once: from its clip, or, if it
was described, by inventing how it sounds. The result may be stored with the voice
(``audio_tokens``), so that it always sounds the same and is not computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from attrs import evolve

from aichat.core.backends import Clones, ReferenceClip, Tts
from aichat.core.errors import BadValue, NotFound
from aichat.core.models import Voice
from aichat.core.storage import Storage
from aichat.toolkit.wav import read_wav

MADE_OF = frozenset(
    {"method", "speaker_desc", "scene_prompt", "audio_path", "text_path", "settings"}
)
"""Fields of a voice that invalidate its ``audio_tokens`` when they change."""


def with_tokens_dropped(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *changes* of a voice, with its ``audio_tokens`` cleared if they become invalid."""
    stale = changes.keys() & MADE_OF
    return {**({"audio_tokens": None} if stale else {}), **changes}


async def introduce(voice: Voice, tts: Tts, storage: Storage) -> Voice:
    """Let *tts* learn *voice*, if necessary; return it with its codes, which are stored.

    The codes of a voice that is not in *storage*, or differs from the one there, are not stored.
    Raises :class:`BadValue` for a clip that is no sound, and what engine and store raise.
    """
    if not isinstance(tts, Clones) or tts.knows(voice):
        return voice
    codes = await tts.learn(voice, await _reference(voice, storage))
    if codes is None or codes == voice.audio_tokens:
        return voice
    try:
        if _sounds_like(await storage.voice(voice.voice), voice):
            return await storage.change_voice(voice.voice, {"audio_tokens": codes})
    except NotFound:
        pass
    return evolve(voice, audio_tokens=codes)


def _sounds_like(one: Voice, other: Voice) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in MADE_OF)


async def _reference(voice: Voice, storage: Storage) -> ReferenceClip | None:
    if voice.method != "clone" or voice.audio_path is None:
        return None
    clip = await storage.clip(voice.audio_path)
    words = await storage.clip(voice.text_path) if voice.text_path else b""
    pcm, rate = await anyio.to_thread.run_sync(_read, clip, voice.voice)
    return ReferenceClip(pcm, rate, words.decode("utf-8", "replace").strip())


def _read(clip: bytes, name: str) -> tuple[bytes, int]:
    """Return the PCM16 and the sample rate of a WAV file."""
    try:
        wav = read_wav(clip)
        if (wav.channels, wav.bits) != (1, 16):
            raise ValueError("it is not mono with 16 bits")
        return wav.pcm, wav.rate
    except ValueError as error:
        raise BadValue(
            f"The clip of the voice {name} cannot be used ({error}).",
            "Clone the voice anew from a recording.",
            "audio_path",
        ) from error
