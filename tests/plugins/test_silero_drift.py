"""Voice activity after music, noise and digital silence, on recorded speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from math import inf

import numpy as np
import pytest
from attrs import evolve

from aichat.plugins.silero import FRAME, FRAME_MS, Silero, SileroStream
from aichat.stages.hearing.utterance_detector import PRE_ROLL_MS
from support import recordings
from support.recordings import RATE, music, room, softer

pytestmark = pytest.mark.anyio

Clip = Callable[[], bytes]


def part(clip: Clip, start: float) -> bytes:
    """Return 3 s of a recording from where a phrase begins."""
    return clip()[round(start * RATE) * 2 :][: 3 * RATE * 2]


LOUD: list[tuple[Clip, float]] = [
    (recordings.beckett, 0.2),
    (recordings.two_cities, 1.0),
    (recordings.lecture, 0.0),
    (recordings.telephone, 11.5),
    (partial(recordings.spoken_in, "en", "quick_brown_fox"), 0.0),
]
CLIPS = [(clip, start, factor) for factor in (1.0, 0.3) for clip, start in LOUD]
"""Ten: loud and soft voices of both sexes."""


@pytest.fixture
async def vad() -> AsyncIterator[Silero]:
    async with Silero() as backend:
        yield backend


def heard(vad: Silero, sound: bytes) -> SileroStream:
    """Return a stream that has heard a sound in which nobody speaks at the end."""
    stream = vad.stream()
    for frame in frames(sound):
        stream.is_speech(frame)
    assert not stream.speaking
    return stream


def found_at(stream: SileroStream, speech: bytes) -> float:
    """Return after how many ms of *speech* it is detected; the stream stays as it is."""
    stream = evolve(stream, heard=stream.heard.copy())
    flags = map(stream.is_speech, frames(speech))
    return next((FRAME_MS * count for count, flag in enumerate(flags, 1) if flag), inf)


def frames(sound: bytes) -> Iterator[bytes]:
    for end in range(2 * FRAME, len(sound) + 1, 2 * FRAME):
        yield sound[end - 2 * FRAME : end]


def late(vad: Silero, before: bytes) -> list[float]:
    """Return how many ms later each clip is detected than in a quiet room."""
    quiet, other = heard(vad, room(1)), heard(vad, before)
    clips = [softer(part(clip, start), factor) for clip, start, factor in CLIPS]
    return [found_at(other, clip) - found_at(quiet, clip) for clip in clips]


@pytest.mark.parametrize("pause", [0.3, 2])
async def test_speech_after_20_s_of_music_is_found_within_the_pre_roll(
    vad: Silero, pause: float
) -> None:
    delays = late(vad, music(20) + room(pause))
    assert len(delays) == 10
    assert max(delays) <= PRE_ROLL_MS, delays


async def test_so_is_speech_after_20_s_of_noise(vad: Silero) -> None:
    noise = 800 * np.random.default_rng(0).standard_normal(20 * RATE)
    assert max(late(vad, noise.astype("<i2").tobytes())) <= PRE_ROLL_MS


async def test_so_is_speech_after_a_minute_of_digital_silence(vad: Silero) -> None:
    assert max(late(vad, bytes(60 * RATE * 2))) <= PRE_ROLL_MS


async def test_music_alone_is_no_speech(vad: Silero) -> None:
    assert found_at(vad.stream(), music(30)) == inf


async def test_what_is_said_is_not_cut_by_a_reset(vad: Silero) -> None:
    """A quiet minute changes nothing about where speech begins."""
    assert max(late(vad, room(61.3))) <= 2 * FRAME_MS
