"""Stores a voice that was cloned from a clip: a tone."""

from __future__ import annotations

import numpy as np

from aichat.core import Voice
from aichat.core.storage import Storage
from aichat.toolkit.wav import wav_file


async def a_clone(
    store: Storage, transcript: str = "", *, seconds: float = 1.2, rate: int = 24_000
) -> Voice:
    """Store a clip, its transcript if there is one, and the voice "Me" made of them."""
    tone = 3000 * np.sin(np.arange(int(rate * seconds)) / 20)
    audio = await store.add_clip(wav_file(tone.astype("<i2").tobytes(), rate), "wav")
    text = await store.add_clip(transcript.encode(), "txt") if transcript else None
    return await store.add_voice(Voice("Me", "clone", audio_path=audio, text_path=text))
