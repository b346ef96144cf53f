"""Kokoro with its real weights, and KittenTTS, which is asked in the same way, with tiny ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from aichat.core import BadValue, CannotStart, NotReady, Voice, WordMark, closing
from aichat.core.testing import TtsContract
from aichat.core.testing.leak_checks import first_audio, say
from aichat.plugins import kokoro
from aichat.plugins.kokoro import Kokoro
from aichat.plugins.kokoro.catalogue import MODELS, kokoro_voice
from aichat.plugins.kokoro.spelling import KITTEN_SPELLING, KOKORO, KOKORO_SPELLING
from aichat.toolkit.seed import READY_VOICES
from aichat.toolkit.voices.stock import nearest
from support import tiny_kitten
from support.real_weights import KOKORO as KOKORO_WEIGHTS
from support.real_weights import KOKORO_VOICES
from support.speech_measures import (
    SENTENCES,
    longest_pause,
    loudness,
    misheard,
    silence_around,
    wave,
)

pytestmark = pytest.mark.anyio

EMMA = Voice("Emma", settings={"kokoro": "bf_emma"})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, so that the models are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of Kokoro's repository on the hub."""
    place = tmp_path_factory.mktemp("kokoro")
    place.joinpath("onnx").mkdir()
    model = KOKORO_WEIGHTS.path("kokoro-v1.0.int8.onnx")
    place.joinpath("onnx/model_quantized.onnx").symlink_to(model)
    place.joinpath("voices").symlink_to(KOKORO_VOICES.path("package/voices"))
    return place


@pytest.fixture(scope="module")
async def real(anyio_backend: str, folder: Path) -> AsyncIterator[Kokoro]:
    async with Kokoro(str(folder)) as backend:
        yield backend


@pytest.fixture(scope="module")
async def tts(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Kokoro]:
    """KittenTTS, tiny."""
    async with Kokoro(str(tiny_kitten.build(tmp_path_factory.mktemp("kitten")))) as backend:
        yield backend


class TestKitten(TtsContract):
    pass


# -- Kokoro as it sounds ----------------------------------------------------------------------


async def test_whisper_understands_it(real: Kokoro) -> None:
    assert await misheard(real, EMMA, SENTENCES[6:]) <= 0.05


async def test_it_sounds_as_speech_does_and_marks_its_words(real: Kokoro) -> None:
    text = "Well then, hello there."
    said = await say(real, text, EMMA)
    rate = real.sample_rate
    assert 0.05 < len(said.pcm) / 2 / rate / len(text) < 0.15
    assert loudness(said.pcm) == pytest.approx(0.1, rel=0.2)
    assert abs(wave(said.pcm)).max() < 32_700, "it is clipped"
    before, after = silence_around(said.pcm, rate)
    assert before < 0.05
    assert after < 0.3
    assert longest_pause(said.pcm, rate) < 0.7
    places = {text[mark.start : mark.end]: mark.at for mark in said.marks}
    assert list(places) == ["Well", "then", "hello", "there"]
    assert np.diff(list(places.values())).min() > 0.1 * rate
    assert 0.1 * rate < len(said.pcm) / 2 - places["there"] < 0.9 * rate


async def test_speed_changes_how_long_it_takes(real: Kokoro) -> None:
    fast = Voice("x", settings={"kokoro": {"voice": "bf_emma", "speed": 1.6}})
    usual, quick = [(await say(real, "I think so.", one)).pcm for one in (EMMA, fast)]
    assert len(quick) < 0.8 * len(usual)


async def test_a_closed_stream_ends_the_model_in_the_middle(real: Kokoro) -> None:
    async with closing(
        real.speak("Hello there, everybody. " + "And then more, " * 12, EMMA)
    ) as one:
        await first_audio(one)
        assert real._workers.listeners
    with anyio.fail_after(30):
        while real._workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_ready_voices_get_voices_that_fit(real: Kokoro) -> None:
    olivia, mark, rosa = [nearest(voice, real._stock()) for voice in READY_VOICES]
    assert (olivia.gender, olivia.accent) == ("woman", "British")
    assert (mark.gender, mark.accent) == ("man", "American")
    assert (rosa.gender, rosa.accent) == ("woman", "American")
    whisper = Voice("x", speaker_desc="Female, whispering, American accent")
    assert nearest(whisper, real._stock()).name == "af_nicole"
    assert nearest(Voice("x", speaker_desc="A French woman"), real._stock()).name == "ff_siwis"


# -- how it is asked ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en-us", "en-gb", "es", "fr", "hi", "it", "pt-br"])
def test_all_sounds_of_its_languages_have_a_number(language: str) -> None:
    text = "Judge the air near a fire hour: it is better, boy! Ça va, señor? नमस्ते"
    assert set(KOKORO_SPELLING.phonemes(text, language).sounds) <= KOKORO.keys()


def test_sounds_of_two_letters_are_one_for_kokoro_and_two_for_kitten() -> None:
    assert KOKORO_SPELLING.phonemes("Go, my boy.", "en-us").sounds == "ɡˈO, mI bˈY."
    assert KITTEN_SPELLING.phonemes("Go, my boy.", "en-us").sounds == "ɡˈoʊ, maɪ bˈɔɪ."


def test_the_numbers_of_kitten_are_those_of_its_makers() -> None:
    ids, places = KITTEN_SPELLING.ids("həlˈəʊ, wˈɜːld")
    hello, world = [50, 83, 54, 156, 83, 135], [65, 156, 87, 158, 54, 46]
    assert ids == [0, *hello, 16, 3, 16, *world, 16, 3, 10, 0]
    assert [ids[place] for place in places] == [*hello, 3, 16, *world]


@pytest.mark.parametrize("exports", [True, False])
async def test_durations_are_found_whether_they_are_exported_or_not(
    tmp_path: Path, exports: bool
) -> None:
    built = tiny_kitten.build(tmp_path / "model", exports)
    async with Kokoro(str(built)) as backend:
        marks = (await say(backend, "Hello there.", Voice("x", settings={"kokoro": "Bella"}))).marks
    assert marks == [WordMark(0, 5, 4 * 600), WordMark(6, 11, 8 * 4 * 600)]


async def test_voices_of_kitten_have_names_and_a_pace_of_their_own(tts: Kokoro) -> None:
    bella, jasper = [
        len((await say(tts, "Hello there.", Voice("x", settings={"kokoro": name}))).pcm)
        for name in ("Bella", "Jasper")
    ]
    assert jasper == pytest.approx(bella * 5 / 4, rel=0.05)
    assert nearest(Voice("x", speaker_desc="A man"), tts._stock()).name == "Jasper"


async def test_more_sounds_than_the_model_takes_are_spoken_in_parts(tts: Kokoro) -> None:
    text = "9876543210 " * 15
    said = await say(tts, text, Voice("x"))
    assert len(said.marks) == 15
    assert len(list(tts._stretches(text, tts._stock()[0]))) > 1
    assert np.diff([mark.at for mark in said.marks]).min() > 0


# -- what it refuses ---------------------------------------------------------------------------


async def test_a_voice_that_it_does_not_have_is_reported(tts: Kokoro) -> None:
    with pytest.raises(BadValue, match="kokoro has no voice 'Bela'") as caught:
        await say(tts, "Hello.", Voice("x", settings={"kokoro": "Bela"}))
    assert caught.value.hint == "Did you mean 'Bella'?"


async def refusal(model: str, **settings: bool) -> CannotStart:
    with pytest.raises(CannotStart) as caught:
        async with Kokoro(model, **settings):
            pass
    return caught.value


async def test_what_is_missing_is_reported_with_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    missing = await refusal("kokoro-82m", download=False)
    assert "`litestar aichat models download kokoro-82m`" in missing.hint
    assert "set [tts.kokoro] model to a folder" in missing.hint
    assert (await refusal("kokoro-82")).hint == "Did you mean 'kokoro-82m'?"
    assert "does not hold one ONNX model" in (await refusal(str(tmp_path))).problem
    broken = tiny_kitten.build(tmp_path / "broken")
    broken.joinpath("kitten.onnx").write_bytes(b"no model")
    assert "cannot be loaded" in (await refusal(str(broken))).problem
    with pytest.raises(NotReady):
        await say(Kokoro(str(broken)), "Hello.", EMMA)


def test_only_voices_whose_language_can_be_read_are_downloaded() -> None:
    kokoro_weights = MODELS["kokoro-82m"]
    assert kokoro_weights.includes("voices/bf_emma.bin")
    assert not kokoro_weights.includes("voices/jf_alpha.bin")
    assert not kokoro_weights.includes("onnx/model.onnx")
    assert kokoro_voice("zm_yunxi") is None


def test_kokoro_is_offered() -> None:
    assert kokoro.tts_backend().name == "kokoro"
