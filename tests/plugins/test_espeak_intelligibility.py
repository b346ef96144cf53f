"""How much a recogniser understands of espeak-ng in the ready-made voices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import combinations

import numpy as np
import pytest

from aichat.core import Voice
from aichat.core.testing.leak_checks import say
from aichat.plugins.espeak import RATE, Espeak
from aichat.plugins.espeak.voice_profile import READY_MADE, USUAL_RATE, WOMEN, profile
from aichat.toolkit.seed import READY_VOICES
from support.speech_measures import SENTENCES, misheard

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tts() -> AsyncIterator[Espeak]:
    async with Espeak(max_concurrent=1) as backend:
        yield backend


@pytest.mark.parametrize("voice", READY_VOICES, ids=lambda voice: voice.voice)
async def test_whisper_gets_at_most_a_fifth_of_the_words_of_a_ready_voice_wrong(
    tts: Espeak, voice: Voice
) -> None:
    assert await misheard(tts, voice) <= 0.2


async def test_the_ready_voices_are_at_least_a_quarter_apart_in_pitch(tts: Espeak) -> None:
    hertz = {
        voice.voice: pitch(b"".join([(await say(tts, text, voice)).pcm for text in SENTENCES[:3]]))
        for voice in READY_VOICES
    }
    assert 70 < hertz["Mark"] < 130 < hertz["Olivia"] < hertz["Rosa"] < 280
    for one, other in combinations(hertz.values(), 2):
        assert max(one, other) / min(one, other) >= 1.25, hertz


def pitch(pcm: bytes) -> float:
    """Return the median fundamental frequency, by autocorrelation, in Hz."""
    found, size, least, most = [], RATE // 20, RATE // 320, RATE // 70
    samples = np.frombuffer(pcm, "<i2").astype(float)
    for frame in samples[: len(samples) // size * size].reshape(-1, size):
        if frame.std() < 500:
            continue
        likeness = np.correlate(frame, frame, "full")[size - 1 :] / (size - np.arange(size))
        likeness = likeness[least:most] / likeness[0]
        first = int(np.argmax(likeness > 0.9 * likeness.max()))
        if likeness.max() > 0.5:
            found.append(RATE / (least + first + int(np.argmax(likeness[first : first + 8]))))
    return float(np.median(found))


def test_the_ready_voices_are_fixed_until_they_are_described_otherwise() -> None:
    assert {(voice.voice, voice.speaker_desc) for voice in READY_VOICES} == READY_MADE.keys()
    for voice in READY_VOICES:
        fixed = READY_MADE[voice.voice, voice.speaker_desc]
        assert profile(voice) == fixed
        assert profile(Voice(voice.voice, speaker_desc="A man")) != fixed
        other = Voice(voice.voice, speaker_desc=voice.speaker_desc, settings={"seed": 1})
        assert profile(other) != fixed
        assert profile(voice, USUAL_RATE + 20).rate == fixed.rate + 20


@pytest.mark.parametrize("words", ["", "quick", "fast and energetic", "young, lively", "slow"])
def test_no_woman_speaks_faster_than_is_understood(words: str) -> None:
    for name in map(str, range(40)):
        look = profile(Voice(name, speaker_desc=f"A woman, {words}"))
        assert look.rate <= USUAL_RATE
        assert look.name.split("+")[1] in WOMEN
