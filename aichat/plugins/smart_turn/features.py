"""Whisper's log-mel spectrogram in plain numpy: 80 bands, 10 ms steps, of 16 kHz audio.

It is computed in float64, as the makers of the model do: its weights are of 8 bits, and turn a
difference of a float32 rounding into one of 0.3 in the probability.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

RATE, WINDOW, STEP, BANDS = 16_000, 400, 160, 80
SECONDS = 8
"""Length of the end of the utterance that the model hears."""
LENGTH = SECONDS * RATE


def features(pcm: bytes) -> Any:
    """Return float32 of shape (1, 80, 800): the last 8 s of PCM16, silence put in front."""
    audio = np.zeros(LENGTH, np.float32)
    end = np.frombuffer(pcm[-2 * LENGTH :], "<i2")
    if len(end):
        audio[-len(end) :] = end / np.float32(32768)
    audio = (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)
    return log_mel(audio)[None]


def log_mel(audio: Any) -> Any:
    """Return the spectrogram of float samples, (80, one column for each 10 ms)."""
    padded = np.pad(audio.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP][:-1]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)) ** 2
    mel = np.log10(np.maximum(_bands() @ power.T, 1e-10))
    return ((np.maximum(mel, mel.max() - 8) + 4) / 4).astype(np.float32)


@cache
def _hann() -> Any:
    return np.hanning(WINDOW + 1)[:-1]


@cache
def _bands() -> Any:
    """Triangles on Slaney's mel scale, each of the same area: (80, 201)."""
    hertz = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    edges = _hertz(np.linspace(0, _mel(RATE / 2), BANDS + 2))
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


KNEE, LINEAR, LOG = 1000.0, 200 / 3, np.log(6.4) / 27
"""Slaney's scale is linear up to 1000 Hz and logarithmic above."""


def _mel(hertz: float) -> float:
    return hertz / LINEAR if hertz < KNEE else float(KNEE / LINEAR + np.log(hertz / KNEE) / LOG)


def _hertz(mel: Any) -> Any:
    above = KNEE * np.exp(LOG * (mel - KNEE / LINEAR))
    return np.where(mel < KNEE / LINEAR, mel * LINEAR, above)
