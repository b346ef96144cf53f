"""What the user says: recorded speech, each clip with its words and the sample at which it ends."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from support import real_weights, recordings

RATE = recordings.RATE
PEAK = 16_000
"""Every clip is as loud as the automatic gain of a browser makes it."""
WINDOW, VOICED = 320, 0.08
"""Samples of a window, and the share of the loudest from which one belongs to the voice."""

READINGS = "moonshine_voice/assets"
TALKING = "What are you talking about?"


@frozen
class Clip:
    """A clip as PCM16 at 16 kHz, what is said in it, and where (seconds) the voice ends."""

    name: str
    pcm: bytes
    words: str
    voice_end: float


def clips() -> list[Clip]:
    """Return people who read and speak freely; the last one is synthesised."""
    lecture, cities = recordings.lecture(), recordings.two_cities()
    play = recordings.sound(real_weights.READINGS.path(f"{READINGS}/endgame_nagg_nell.wav"))
    answer = "And the answer that comes back is, well, I wouldn't start from here, sonny."
    tax = "Who's going to implement a 4% global wealth tax?"
    times = "It was the best of times, it was the worst of times"
    fox = "The quick brown fox jumps over the lazy dog."
    return [
        _clip("dublin", lecture, 0, 2.4, "and says, how do I get to Dublin?"),
        _clip("sonny", lecture, 2.5, 7.6, answer),
        _clip("luck", lecture, 48.2, 50.7, "Well, good luck with that."),
        _clip("tax", lecture, 50.8, 54.4, tax),
        _clip("times", cities, 0, 5, times),
        _clip("beckett", recordings.beckett(), 0, 9.2, recordings.BECKETT),
        _clip("talking", play, 17.4, 19.3, TALKING),
        _clip("fox", recordings.spoken_in("en", "quick_brown_fox"), 0, 3, fox),
    ]


def _clip(name: str, pcm: bytes, begins: float, ends: float, words: str) -> Clip:
    samples = np.frombuffer(pcm, "<i2")[int(begins * RATE) : int(ends * RATE)].astype(np.float32)
    samples *= PEAK / np.abs(samples).max()
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    loudness = np.sqrt(np.square(windows).mean(axis=1))
    (voiced,) = np.nonzero(loudness > VOICED * loudness.max())
    voice_end = float(voiced[-1] + 1) * WINDOW / RATE
    return Clip(name, samples.astype("<i2").tobytes(), words, voice_end)
