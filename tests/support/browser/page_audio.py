"""What came out of the page's loudspeaker, recorded; and microphones made of speech."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from aichat.core.events import SPEAKER_RATE
from aichat.toolkit.wav import wav_file
from support.espeak_speech import say
from support.playback_check import Played, Samples

MIC_WAV_RATE = 48_000

ran_dry: dict[str, int] = {}
"""How often the loudspeaker ran dry, by test: pytest lists it at the end."""


def microphone(path: Path, *parts: float | str | bytes) -> Path:
    """Write a WAV: numbers are seconds of a quiet room, strings are said, bytes are 48 kHz PCM."""
    pcm = b"".join(sound_of(part) for part in parts)
    path.write_bytes(wav_file(pcm, MIC_WAV_RATE))
    return path


def sound_of(part: float | str | bytes) -> bytes:
    if isinstance(part, bytes):
        return part
    return say(part, rate=MIC_WAV_RATE) if isinstance(part, str) else room(part)


def room(seconds: float, level: float = 30) -> bytes:
    noise = level * np.random.default_rng(1).standard_normal(int(seconds * MIC_WAV_RATE))
    return noise.astype("<i2").tobytes()


def recorded(page: Page) -> Played:
    """What the page has played so far."""
    raw: dict[str, Any] | None = page.evaluate("window.__recorded()")
    assert raw, "the page has no loudspeaker yet"
    assert (raw["contexts"], raw["rate"]) == (1, SPEAKER_RATE)
    if raw["underruns"]:
        ran_dry[os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]] = raw["underruns"]
    return Played(np.frombuffer(base64.b64decode(raw["samples"]), "<f4"), raw["underruns"])


def recorded_past(page: Page, moment: float | None = None) -> Played:
    """What was played until a moment (performance.now(), ms), or until a second from now."""
    wait = "(moment) => window.__recordedPast(moment ?? performance.now() + 1000)"
    page.evaluate(wait, moment)
    return recorded(page)


def assert_is_speech(samples: Samples) -> None:
    """Neither silence nor noise, clipping or clicks."""
    samples = np.trim_zeros(samples)
    seconds = len(samples) / SPEAKER_RATE
    assert seconds > 0.5
    assert np.sqrt(np.mean(samples[samples != 0] ** 2)) > 0.01  # -40 dB; speech is around -20
    assert np.abs(samples).max() <= 1.0
    assert np.abs(np.diff(samples)).max() < 0.9
