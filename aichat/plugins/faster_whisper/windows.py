"""Cuts long audio into the windows that Whisper hears one at a time, where it is quietest.

Whisper hears 30 s at once. Its own timestamps would say where the next window begins, but it writes
none when it is given words to expect, and then loses what is said around a seam.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

RATE = 16_000
LONGEST, SHORTEST, LEAST_REST = 28 * RATE, 18 * RATE, 3 * RATE
"""Samples of the longest and the shortest window, and of the last one."""
STEP = RATE // 50
PAUSE = 15
"""Steps (20 ms) over which loudness is averaged: the gap within a word is no pause."""


def windows(audio: Any) -> Iterator[Any]:
    """Yield float samples in pieces of up to 28 s."""
    while len(audio) > LONGEST:
        end = min(LONGEST, len(audio) - LEAST_REST)
        cut = SHORTEST + _quietest(audio[SHORTEST:end])
        yield audio[:cut]
        audio = audio[cut:]
    yield audio


def _quietest(audio: Any) -> int:
    """Return the sample in the middle of the quietest 0.3 s."""
    steps = audio[: len(audio) // STEP * STEP].reshape(-1, STEP)
    loudness = np.convolve(np.square(steps).mean(axis=1), np.ones(PAUSE), mode="valid")
    return int(loudness.argmin() + PAUSE // 2) * STEP
