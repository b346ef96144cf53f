"""smart-turn v3.2 with its real weights: its makers' numbers, and endings that people spoke."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aichat.plugins.smart_turn import AHEAD, FILE, SmartTurn
from aichat.plugins.smart_turn.features import LENGTH
from support import recordings
from support.real_weights import SMART_TURN
from support.recordings import room

pytestmark = pytest.mark.anyio

Reference = Callable[[bytes], float]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def folder() -> Path:
    return SMART_TURN.path("pipecat/audio/turn/smart_turn")


@pytest.fixture(scope="module")
async def detector(folder: Path) -> AsyncIterator[SmartTurn]:
    async with SmartTurn(str(folder / "data" / FILE)) as backend:
        yield backend


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    """Its makers' own features, and the same model."""
    import onnxruntime

    spec = importlib.util.spec_from_file_location("reference", folder / "_whisper_features.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    session = onnxruntime.InferenceSession(str(folder / "data" / FILE))

    def judged(pcm: bytes) -> float:
        audio = np.frombuffer(pcm, "<i2").astype(np.float32)[-LENGTH:] / 32768
        audio = np.pad(audio, (LENGTH - len(audio), 0))
        heard = module.compute_whisper_log_mel_features(audio)[None]
        return float(session.run(None, {"input_features": heard})[0].flat[0])

    return judged


def passages() -> list[bytes]:
    """Return 36 stretches of recorded speech, of up to 11 s."""
    cuts = []
    for clip in (recordings.lecture(), recordings.two_cities(), recordings.telephone()):
        for number in range(12):
            end = 32_000 * (3 + 2 * number)
            cuts.append(clip[max(0, end - 32_000 * number) : end] or clip[:end])
    return cuts


async def test_it_answers_as_its_makers_code_does(
    detector: SmartTurn, reference: Reference
) -> None:
    for pcm in passages():
        assert await detector.finished(pcm) == pytest.approx(reference(pcm + AHEAD), abs=1e-6)


async def test_it_says_as_soon_as_the_voice_ends_what_it_would_say_300_ms_later(
    detector: SmartTurn, reference: Reference
) -> None:
    for name in ("hello_world", "quick_brown_fox", "counting"):
        voice = recordings.spoken_in("en", name)
        assert await detector.finished(voice + room(0.06)) > 0.5
        assert reference(voice + room(0.3)) > 0.5


@pytest.mark.parametrize("end", [6.0, 15.9, 19.6, 37.6, 44.6])
async def test_in_the_middle_of_a_sentence_it_waits(detector: SmartTurn, end: float) -> None:
    """Where the lecturer pauses and goes on."""
    pcm = recordings.lecture()[: int(end * 16_000) * 2]
    assert await detector.finished(pcm + room(0.06)) < 0.3
