"""The turn detector that listens: its features, its start, and that it never holds up the loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import CannotStart, NotReady, Pause, SoundJudge
from aichat.core.testing import SoundTurnContract, TurnContract
from aichat.core.testing.leak_checks import assert_no_stall
from aichat.plugins import smart_turn
from aichat.plugins.silence import Silence
from aichat.plugins.smart_turn import SmartTurn
from aichat.plugins.smart_turn.features import LENGTH, features, log_mel
from support.espeak_speech import say
from support.fake_hugging_face import CUT, a_hub
from support.tiny_smart_turn import build

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build(tmp_path_factory.mktemp("onnx") / "tiny.onnx"))


@pytest.fixture
async def detector(model: str) -> AsyncIterator[SmartTurn]:
    async with SmartTurn(model) as detector:
        yield detector


class TestSmartTurn(SoundTurnContract):
    @pytest.fixture
    async def turn(self, detector: SmartTurn) -> SmartTurn:
        return detector

    @pytest.fixture
    def speech_pcm(self) -> bytes:
        return say("What is the weather like in London?")


class TestSilence(TurnContract):
    @pytest.fixture
    def turn(self) -> Silence:
        return Silence()


# -- the front end ---------------------------------------------------------------------------


def whispers(audio: np.ndarray) -> np.ndarray:
    """What faster-whisper's own feature extractor makes of it."""
    from faster_whisper.feature_extractor import FeatureExtractor

    extractor = FeatureExtractor(feature_size=80, chunk_length=8)
    return np.asarray(extractor(audio, padding=False))


def test_the_spectrogram_is_whispers() -> None:
    speech = np.frombuffer(say("What is the weather like in London?"), "<i2") / np.float32(32768)
    noise = np.random.default_rng(1).standard_normal(LENGTH, np.float32) * np.float32(0.1)
    for audio in (speech[: len(speech) // 160 * 160].astype(np.float32), noise):
        ours, theirs = log_mel(audio), whispers(audio)
        assert ours.shape == (80, len(audio) // 160)
        assert np.abs(ours - theirs[:, : ours.shape[1]]).max() < 1e-3


@settings(deadline=None)
@given(st.integers(0, 20 * 16_000))
def test_any_length_gives_the_last_eight_seconds(samples: int) -> None:
    pcm = (np.arange(samples) % 251 * 100).astype("<i2").tobytes()
    heard = features(pcm)
    assert heard.shape == (1, 80, 800)
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    if samples > LENGTH:
        assert (heard == features(pcm[-2 * LENGTH :])).all()


def test_silence_is_put_in_front() -> None:
    tone = (8000 * np.sin(np.arange(16_000) / 5)).astype("<i2").tobytes()
    heard = features(tone)[0]
    assert heard[:, :690].max() < heard[:, 710:].max() - 1
    assert (features(bytes(2 * 16_000) + tone) == features(tone)).all()


# -- the model -------------------------------------------------------------------------------


async def test_the_models_answer_is_how_likely_the_user_has_finished(detector: SmartTurn) -> None:
    pcm = say("I was thinking that maybe we could")
    expected = 1 / (1 + np.exp(-features(pcm + smart_turn.AHEAD).mean()))
    assert await detector.finished(pcm) == pytest.approx(expected, abs=1e-5)
    assert 0 <= await detector.finished(b"") <= 1
    assert isinstance(detector, SoundJudge)


async def test_the_event_loop_goes_on_while_it_judges(detector: SmartTurn) -> None:
    pcm = say("Can you help me find my keys?")
    threads = set()
    run, here = smart_turn._judge, threading.get_ident()

    def watched(*arguments: object) -> float:
        threads.add(threading.get_ident())
        return run(*arguments)  # type: ignore[arg-type]

    smart_turn._judge = watched  # type: ignore[assignment]
    try:
        await assert_no_stall(lambda: detector.finished(pcm))
    finally:
        smart_turn._judge = run
    assert threads
    assert here not in threads


async def test_a_caller_that_is_cancelled_leaves_and_the_next_is_served(
    detector: SmartTurn,
) -> None:
    with anyio.move_on_after(0) as scope:
        await detector.finished(bytes(32_000))
    assert scope.cancelled_caught
    assert 0 <= await detector.finished(bytes(32_000)) <= 1


async def test_before_its_start_it_is_not_ready() -> None:
    with pytest.raises(NotReady):
        await SmartTurn().finished(b"")


async def refusal(model: str = "", download: bool = True) -> CannotStart:
    with pytest.raises(CannotStart) as caught:
        async with SmartTurn(model, download):
            pass
    return caught.value


async def test_a_start_without_a_model_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    missing = await refusal(str(tmp_path / "no.onnx"))
    assert missing.problem == f"There is no file {tmp_path / 'no.onnx'}."
    assert "[turn.smart_turn] model" in missing.hint
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    assert "is no smart-turn model" in (await refusal(str(tmp_path / "bad.onnx"))).problem
    other = build(tmp_path / "other.onnx", (1, 80, 3000))
    assert "is no smart-turn model" in (await refusal(str(other))).problem
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "may not be downloaded" in (await refusal(download=False)).problem


async def test_a_model_in_the_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "models--pipecat-ai--smart-turn-v3"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "snapshots" / "abc").mkdir(parents=True)
    build(home / "snapshots" / "abc" / smart_turn.FILE)
    async with SmartTurn(download=False) as detector:
        assert 0 <= await detector.finished(b"") <= 1


async def test_a_model_comes_from_a_hub_that_fails_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aichat.toolkit.downloads.PAUSE_SECONDS", 0.01)
    with a_hub() as hub:
        content = build(tmp_path / "tiny.onnx").read_bytes()
        hub.add("pipecat-ai/smart-turn-v3", {smart_turn.FILE: content})
        hub.use(monkeypatch, tmp_path / "hub")
        hub.faults = {"api": [CUT, 503], "resolve": [CUT]}
        async with SmartTurn() as detector:
            assert 0 <= await detector.finished(b"") <= 1
        assert hub.faults == {"api": [], "resolve": []}


# -- what follows from it --------------------------------------------------------------------

PAUSES = st.builds(
    Pause,
    silence_ms=st.integers(0, 4000),
    speech_ms=st.integers(0, 60_000),
    has_words=st.booleans(),
    finished=st.floats(0, 1),
    sound=st.one_of(st.none(), st.floats(0, 1)),
    usual_ms=st.integers(0, 5000),
)


@given(PAUSES, st.sampled_from([Silence(), SmartTurn()]))
def test_a_turn_ends_between_the_shortest_and_the_longest_wait(
    pause: Pause, turn: Silence | SmartTurn
) -> None:
    if not pause.has_words:
        assert turn.is_over(pause) == (pause.silence_ms >= turn.first_word_ms)
    elif pause.silence_ms >= turn.longest_ms:
        assert turn.is_over(pause)
    elif pause.silence_ms < turn.shortest_ms:
        assert not turn.is_over(pause)


def wait(finished: float, usual_ms: int = 0) -> int:
    return Pause(0, 0, finished=finished, usual_ms=usual_ms).wait_ms(600, 300, 1500)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 5000))
def test_the_surer_the_end_the_shorter_the_wait(one: float, other: float, usual: int) -> None:
    low, high = sorted((one, other))
    assert wait(high, usual) <= wait(low, usual)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 5000))
def test_the_surer_the_end_sounds_the_shorter_the_wait(
    one: float, other: float, usual: int
) -> None:
    turn, (low, high) = SmartTurn(), sorted((one, other))
    assert turn.wait_ms(high, usual) <= turn.wait_ms(low, usual)
    assert turn.shortest_ms <= turn.wait_ms(high, usual)
    assert turn.wait_ms(low, usual) <= turn.longest_ms


def test_only_a_certain_end_is_waited_for_shortly() -> None:
    turn = SmartTurn()
    assert turn.wait_ms(0.8) == turn.shortest_ms
    assert turn.wait_ms(0.7) > Silence().end_ms
    assert turn.wait_ms(0) == turn.longest_ms


@given(PAUSES)
def test_while_the_sound_is_not_judged_the_words_decide(pause: Pause) -> None:
    unheard = evolve(pause, sound=None)
    assert SmartTurn().is_over(unheard) == Silence(shortest_ms=190).is_over(unheard)


def test_what_is_known_of_the_user_replaces_the_setting() -> None:
    assert [wait(0.5), wait(1), wait(0)] == [600, 300, 1500]
    assert [wait(0.5, 450), wait(0.5, 100), wait(0.5, 9000)] == [450, 300, 1500]


def test_smart_turn_is_offered() -> None:
    assert smart_turn.turn_backend().name == "smart_turn"
