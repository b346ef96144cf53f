"""What came out of the page's loudspeaker, measured; and microphones made of speech."""

from __future__ import annotations

import base64
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page
from speech import say

from aichat.core.events import SPEAKER_RATE

Samples = npt.NDArray[np.float32]

MIC_WAV_RATE = 48_000
FADE = SPEAKER_RATE * 5 // 1000
"""The loudspeaker fades so many samples out when it is interrupted."""

LONGEST_PAUSE = SPEAKER_RATE // 2


def microphone(path: Path, *parts: float | str | bytes) -> Path:
    """Write a WAV: numbers are seconds of a quiet room, strings are said, bytes are 48 kHz PCM."""
    pcm = b"".join(sound_of(part) for part in parts)
    with wave.open(str(path), "wb") as clip:
        clip.setparams((1, 2, MIC_WAV_RATE, 0, "NONE", ""))
        clip.writeframes(pcm)
    return path


def sound_of(part: float | str | bytes) -> bytes:
    if isinstance(part, bytes):
        return part
    return say(part, rate=MIC_WAV_RATE) if isinstance(part, str) else room(part)


def room(seconds: float, level: float = 30) -> bytes:
    noise = level * np.random.default_rng(1).standard_normal(int(seconds * MIC_WAV_RATE))
    return noise.astype("<i2").tobytes()


def trimmed(samples: Samples) -> Samples:
    """Without the digital silence at both ends."""
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def recorded(page: Page) -> Samples:
    """What the page has played so far."""
    raw: dict[str, Any] | None = page.evaluate("window.__recorded()")
    assert raw, "the page has no loudspeaker yet"
    assert (raw["contexts"], raw["rate"]) == (1, SPEAKER_RATE)
    return np.frombuffer(base64.b64decode(raw["samples"]), "<f4")


def recorded_past(page: Page, moment: float | None = None) -> Samples:
    """What was played until a moment (performance.now(), ms), or until a second from now."""
    wait = "(moment) => window.__recordedPast(moment ?? performance.now() + 1000)"
    page.evaluate(wait, moment)
    return recorded(page)


def assert_is_speech(samples: Samples) -> None:
    """Neither silence nor noise, clipping or clicks."""
    seconds = len(samples) / SPEAKER_RATE
    assert seconds > 0.5
    assert np.sqrt(np.mean(samples**2)) > 0.01  # -40 dB; speech is around -20
    assert np.abs(samples).max() <= 1.0
    assert np.abs(np.diff(samples)).max() < 0.9


def assert_same(played: Samples, sent: Samples) -> None:
    """Sample for sample: nothing is lost, repeated or put in between."""
    reached = assert_begins(played, sent)
    assert reached == len(sent), f"{reached} of {len(sent)} samples were played"


def assert_begins(played: Samples, sent: Samples) -> int:
    """What was played is the beginning of what was sent; returns how much of it.

    A clause that is written more slowly than the one before it is spoken comes after a pause.
    """
    at = late = 0
    while at + late < len(played):
        at += first_difference(played[at + late :], sent[at:])
        pause = first_difference(played[at + late :], np.zeros(LONGEST_PAUSE, np.float32))
        if at + late + pause == len(played):
            break
        assert 0 < pause < LONGEST_PAUSE, f"{at} of {len(sent)} samples are right, then others come"
        assert np.abs(sent[max(0, at - FADE) : at]).max() < 0.01, f"a gap within a word, at {at}"
        late += pause
    return at


def assert_held(played: Samples, sent: Samples) -> list[int]:
    """What was played is what was sent, with silences in it between two glides.

    Returns at which samples of what was sent it was silent for a while.
    """
    at = place = 0
    held = []
    while (at := at + (n := first_difference(played[at:], sent[place:]))) and place + n < len(sent):
        place += n
        going_on = [k for k in range(at, at + FADE + 2) if not played[k : k + 64].any()]
        assert going_on, f"{place} of {len(sent)} samples are right, then others come"
        silent = going_on[0] + int(np.flatnonzero(played[going_on[0] :])[0])
        ends = [k for k in range(silent, silent + FADE) if resumes(played[k:], sent[place:])]
        assert ends, f"after the silence at {place} other samples come"
        held.append(place)
        at = ends[0]
    return held


def resumes(played: Samples, sent: Samples) -> bool:
    length = min(len(played), len(sent), 2 * FADE)
    return first_difference(played[:length], sent[:length]) == length


def halves(samples: Samples) -> tuple[Samples, Samples]:
    """What was played before the longest silence, and after it."""
    loud = np.flatnonzero(samples)
    longest = int(np.diff(loud).argmax())
    before, after = loud[longest], loud[longest + 1]
    return trimmed(samples[: before + 1]), trimmed(samples[after:])


def first_difference(some: Samples, others: Samples) -> int:
    """How many samples are the same from the beginning on."""
    length = min(len(some), len(others))
    different = np.abs(some[:length] - others[:length]) > 1e-4
    return int(different.argmax()) if different.any() else length
