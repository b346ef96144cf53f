import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import numpy as np
import pytest

from aichat.core import (
    PARTS,
    BackendFailed,
    CannotStart,
    Config,
    NotReady,
    Utterance,
    load_plugins,
    open_chat,
)
from aichat.core.registry.config import Part
from aichat.core.registry.selection import State
from aichat.core.testing import SttContract
from aichat.core.testing.fakes import FakeStt
from aichat.plugins import faster_whisper
from aichat.plugins.faster_whisper import FasterWhisper, most_tokens, samples
from aichat.plugins.faster_whisper.hallucinations import is_imagined
from aichat.plugins.faster_whisper.models import REPOSITORIES, known_language
from aichat.toolkit import local_model
from aichat.toolkit.packages import installs
from support.chat import Given, a_store
from support.espeak_speech import say
from support.fake_hugging_face import a_hub
from support.tiny_whisper import build

pytestmark = pytest.mark.anyio

SAYS = "hello olivia and mark what do you think"
ONE_SECOND = bytes(32_000)
TWENTY_SECONDS = bytes(20 * 32_000)
"""Too long for a short context."""


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build(tmp_path_factory.mktemp("parrot"), SAYS)


@pytest.fixture
def speech_pcm():
    return say("hello olivia and mark")


@pytest.fixture(scope="module")
async def loaded(model, anyio_backend):
    async with FasterWhisper(str(model), device="cpu", beam_size=5) as backend:
        yield backend


@pytest.fixture
def stt(loaded, monkeypatch):
    """May be given another model for a test."""
    for name in ("_engine", "language", "hotwords"):
        monkeypatch.setattr(loaded, name, getattr(loaded, name))
    return loaded


class TestFasterWhisper(SttContract):
    pass


async def test_a_real_model_is_loaded_and_writes_text_down(stt, speech_pcm):
    assert await stt.transcribe(Utterance("a", speech_pcm, final=False)) == SAYS
    assert await stt.transcribe(Utterance("a", speech_pcm, final=True)) == SAYS


async def test_an_english_model_by_language_setting(model, speech_pcm):
    async with FasterWhisper(str(model), device="cpu", language="en") as stt:
        assert await stt.transcribe(Utterance("a", speech_pcm, final=True)) == SAYS


# -- how Whisper is asked --------------------------------------------------------------------


class Recorder:
    """Stands for a loaded WhisperModel: notes how it was asked, answers with given segments."""

    def __init__(self, *segments, multilingual=False):
        self.model = SimpleNamespace(is_multilingual=multilingual)
        self.supported_languages = ["en", "de"] if multilingual else ["en"]
        self.segments, self.asked = segments, []
        self.go_on, self.running, self.most = threading.Event(), 0, 0
        self.go_on.set()

    def transcribe(self, audio, **options):
        self.asked.append((audio, options))
        return self._segments(), None

    def _segments(self):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.go_on.wait(10)
            yield from self.segments
        finally:
            self.running -= 1


def segment(text, no_speech_prob=0.1, avg_logprob=-0.3, compression_ratio=1.1):
    return SimpleNamespace(
        text=text,
        no_speech_prob=no_speech_prob,
        avg_logprob=avg_logprob,
        compression_ratio=compression_ratio,
    )


async def test_a_guess_uses_one_beam_and_the_final_text_the_setting(stt):
    stt._engine = Recorder(segment(" Hello."))
    await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=False))
    await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True))
    (_, guess), (_, final) = stt._engine.asked
    assert (guess["beam_size"], final["beam_size"]) == (1, 5)
    assert final["language"] == "en"
    assert final["temperature"] == 0.0
    assert not final["condition_on_previous_text"]
    assert final["without_timestamps"]
    assert (guess["vad_filter"], final["vad_filter"]) == (False, True)
    assert final["max_new_tokens"] is None
    assert final["hotwords"] is None


async def test_names_are_expected_each_once(stt):
    stt._engine, stt.hotwords = Recorder(segment(" Hello.")), ["Kubernetes", "Olivia"]
    await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True, hotwords=("Olivia", "Márk")))
    assert stt._engine.asked[0][1]["hotwords"] == "Kubernetes, Olivia, Márk."


async def test_names_reach_the_model(stt, speech_pcm):
    """The parrot says a word for each place: what stands before the text shifts it."""
    named = Utterance("a", speech_pcm, final=False, hotwords=("o",))
    assert SAYS.endswith(await stt.transcribe(named))
    assert await stt.transcribe(named) != SAYS


def test_no_limit_is_set_on_long_texts_and_a_generous_one_on_short_ones():
    assert [most_tokens(seconds) for seconds in (0.1, 2, 4.6, 5, 60)] == [84, 140, 218, None, None]


async def test_silence_is_left_out_of_final_texts_unless_that_is_switched_off(model, speech_pcm):
    silence = Utterance("a", bytes(96_000), final=True)
    async with FasterWhisper(str(model), device="cpu") as stt:
        assert await stt.transcribe(silence) == ""
        assert await stt.transcribe(Utterance("b", speech_pcm, final=True)) == SAYS
    async with FasterWhisper(str(model), device="cpu", vad_filter=False) as stt:
        assert await stt.transcribe(silence) == SAYS


async def test_a_model_of_many_languages_finds_out_which_unless_it_is_set(stt):
    stt._engine = Recorder(multilingual=True)
    await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True))
    stt.language = "de"
    await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True))
    assert [options["language"] for _, options in stt._engine.asked] == [None, "de"]


async def test_text_that_it_imagined_is_left_out(stt):
    stt._engine = Recorder(
        segment(" Hello."),
        segment(" Thanks for watching!", 0.9, -1.4),
        segment(" See you, Mark.", 0.9, -0.2),
    )
    assert (
        await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True)) == "Hello. See you, Mark."
    )


def test_imagined_text_is_unlikely_and_without_speech():
    assert is_imagined("Hello.", 0.7, -1.1)
    assert not is_imagined("Hello.", 0.6, -1.1)
    assert not is_imagined("Hello.", 0.7, -1.0)


def test_text_that_repeats_itself_is_imagined():
    assert is_imagined("the same the same the same the same", 0.0, -0.1, 2.5)
    assert not is_imagined("no, no, no, not again", 0.0, -0.1, 1.4)


@pytest.mark.parametrize(
    "text",
    [
        " Thanks for watching!", "Thank you so much for watching.",
        "Please subscribe to my channel.", "Subtitles by the Amara.org community",
        "Untertitelung des ZDF, 2020",
        "Sous-titres réalisés par la communauté", "Субтитры сделал DimaTorzok",
        "ご視聴ありがとうございました", "...", " ♪ ♪", "",
    ],
)  # fmt: skip
def test_what_subtitles_end_with_is_imagined_however_sure_it_is(text):
    assert is_imagined(text, 0.0, -0.1)


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for watching my dog.", "Should I subscribe to the newspaper?", "Yes.", "42",
        "Who made the subtitles?", "Thank you.", "Bye-bye!",
    ],
)  # fmt: skip
def test_what_people_say_is_kept(text):
    assert not is_imagined(text, 0.1, -0.3)


@pytest.mark.parametrize("text", [" Thank you.", "You", "Bye-bye!", "Vielen Dank.", "谢谢"])
def test_a_polite_phrase_is_imagined_when_there_may_have_been_silence(text):
    assert is_imagined(text, 0.4, -0.2)
    assert is_imagined(text, 0.1, -0.8)
    assert not is_imagined(text, 0.2, -0.6)


def test_pcm_becomes_floats_from_minus_one_to_one():
    floats = samples(np.array([-32768, 0, 16384, 32767], "<i2").tobytes())
    assert floats.dtype == np.float32
    assert floats.tolist() == pytest.approx([-1, 0, 0.5, 1], abs=1e-4)


async def test_a_cancelled_call_keeps_its_worker_until_its_thread_ends(model):
    async with FasterWhisper(str(model), device="cpu", workers=1) as stt:
        recorder = stt._engine = Recorder(segment(" Hello."))
        recorder.go_on.clear()
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stt.transcribe, Utterance("a", TWENTY_SECONDS, final=True))
                await anyio.wait_all_tasks_blocked()
                while not recorder.asked:  # noqa: ASYNC110 (its thread tells nobody)
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        recorder.go_on.set()
        assert await stt.transcribe(Utterance("b", TWENTY_SECONDS, final=True)) == "Hello."
        assert recorder.most == 1
        assert len(recorder.asked) == 2  # the other two gave up before their turn


async def test_so_many_utterances_are_written_down_at_once_as_there_are_workers(model):
    async with FasterWhisper(str(model), device="cpu", workers=3) as stt:
        assert stt.max_concurrent == 3
        recorder = stt._engine = Recorder(segment(" Hello."))
        recorder.go_on.clear()
        async with anyio.create_task_group() as tasks:
            for number in range(7):
                utterance = Utterance(f"{number}", TWENTY_SECONDS, final=True)
                tasks.start_soon(stt.transcribe, utterance)
            with anyio.fail_after(60):
                while recorder.running < 3:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            recorder.go_on.set()
        assert recorder.most == 3
        assert len(recorder.asked) == 7


async def test_a_real_model_serves_several_threads(model, speech_pcm):
    texts = []
    async with FasterWhisper(str(model), device="cpu", workers=2, threads=1) as stt:

        async def listen(key):
            texts.append(await stt.transcribe(Utterance(key, speech_pcm, final=True)))

        async with anyio.create_task_group() as tasks:
            for key in "abcd":
                tasks.start_soon(listen, key)
    assert texts == [SAYS] * 4


async def test_a_failure_in_the_model_is_told_and_the_next_call_works(stt, speech_pcm):
    class Broken(Recorder):
        def transcribe(self, audio, **options):
            raise RuntimeError("CUDA out of memory")

    good, stt._engine = stt._engine, Broken()
    with pytest.raises(BackendFailed, match="CUDA out of memory"):
        await stt.transcribe(Utterance("a", TWENTY_SECONDS, final=True))
    stt._engine = good
    assert await stt.transcribe(Utterance("a", speech_pcm, final=True)) == SAYS


async def test_before_its_start_it_is_not_ready():
    with pytest.raises(NotReady):
        await FasterWhisper().transcribe(Utterance("a", ONE_SECOND, final=True))


# -- weights ---------------------------------------------------------------------------------


async def refusal(**settings):
    with pytest.raises(CannotStart) as caught:
        async with FasterWhisper(**settings):
            pass
    return caught.value


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def use_hub(monkeypatch, address):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    place = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr("aichat.toolkit.downloads.PAUSE_SECONDS", 0.01)
    use_hub(monkeypatch, "http://127.0.0.1:9")


async def test_without_network_the_refusal_names_the_mend(hub_cache, no_network, capfd, caplog):
    with anyio.fail_after(60), caplog.at_level(logging.WARNING):
        error = await refusal()
    assert "The weights of base.en are not here and could not be downloaded (" in error.problem
    assert error.hint == "Connect once, or set [stt.faster_whisper] model to a folder."
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


async def test_downloads_can_be_forbidden(hub_cache):
    assert "may not be downloaded" in (await refusal(download=False)).problem


async def test_a_misspelt_model_is_told_with_the_nearest_name(hub_cache):
    assert (await refusal(model="bas.en")).hint == "Did you mean 'base.en'?"
    assert "base.en" in (await refusal(model="/no/such/folder")).hint


async def test_a_language_that_it_does_not_write_is_told_with_the_nearest(model):
    error = await refusal(model=str(model), device="cpu", language="dee")
    assert error.problem == "Whisper knows no language 'dee'."
    assert error.hint == "Did you mean 'de'?"


def test_a_model_of_english_writes_no_other_language():
    with pytest.raises(CannotStart, match=r"tiny\.en writes English only, not 'de'"):
        known_language("de", ["en"], "tiny.en")


def test_the_models_are_those_of_faster_whisper():
    from faster_whisper.utils import _MODELS

    assert REPOSITORIES == _MODELS


def test_another_language_than_english_gets_the_model_that_writes_it(model):
    named = [("base.en", "de"), ("base.en", "en"), ("base.en", None), ("small", "de")]
    assert [FasterWhisper(name, language=code).model for name, code in named] == [
        *("base", "base.en", "base.en", "small")
    ]
    assert FasterWhisper(str(model), language="de").model == str(model)
    assert FasterWhisper("distil-small.en", language="de").model == "distil-small.en"


def test_it_says_which_weights_it_needs(model):
    (needed,) = FasterWhisper("base.en").weights
    assert (needed.name, needed.repository) == ("base.en", "Systran/faster-whisper-base.en")
    assert needed.includes("vocabulary.txt")
    assert not needed.includes("README.md")
    (mine,) = FasterWhisper(str(model)).weights
    assert (mine.name, mine.repository) == (str(model), "")


async def test_a_folder_without_a_model_is_told(tmp_path):
    error = await refusal(model=str(tmp_path), device="cpu")
    assert f"Whisper cannot be loaded from {tmp_path}" in error.problem


async def test_a_missing_package_is_told_with_its_mend(hub_cache, monkeypatch):
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    assert (await refusal()).hint == installs("whisper")


async def test_weights_are_downloaded_once_and_the_progress_is_told(
    model, monkeypatch, capfd, tmp_path
):
    lines, loop_thread = [], threading.get_ident()
    with a_hub() as hub:
        hub.add("me/parrot", model)
        hub.use(monkeypatch, tmp_path)
        first = FasterWhisper("me/parrot", device="cpu")
        first.report = lambda line: lines.append((line, threading.get_ident() == loop_thread))
        async with first as stt:
            assert await stt.transcribe(Utterance("a", ONE_SECOND, final=False)) == SAYS
        before = len(hub.asked)
        async with FasterWhisper("me/parrot", device="cpu") as stt:
            assert await stt.transcribe(Utterance("a", ONE_SECOND, final=False)) == SAYS
        assert len(hub.asked) == before, "the second start asked the hub"
    *progress, last = [line for line, _ in lines]
    assert progress
    assert all(line.startswith("weights: ") for line in progress)
    assert last == "loading the weights"
    assert all(on_loop for _, on_loop in lines)
    assert capfd.readouterr().err == ""


async def test_while_the_weights_come_another_recogniser_serves_and_a_cut_costs_nothing(
    model, monkeypatch, tmp_path
):
    monkeypatch.setattr("aichat.toolkit.downloads.PAUSE_SECONDS", 0.01)
    settings = {"faster_whisper": {"model": "me/parrot", "device": "cpu"}}
    parts = {part: Part(("given",)) for part in PARTS}
    parts["stt"] = Part(("faster_whisper", "given"), settings)
    parts["sequencer"] = Part(("in_order",))
    plugin = Given(storage=await a_store(), stt=FakeStt("the fallback"))
    spoken = Utterance("a", ONE_SECOND, final=False)
    with a_hub() as hub:
        hub.add("me/parrot", model)
        hub.use(monkeypatch, tmp_path)
        hub.held.clear()
        hub.cuts = [100_000]
        config = Config(Path("plugins.toml"), parts)
        async with open_chat(config, load_plugins(extra=[plugin])) as (_, cast):
            with anyio.fail_after(60):
                while len(hub.ranges()) < 2:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert await cast.stt.transcribe(spoken) == "the fallback"
            whisper = next(s for s in cast.statuses() if s.name == "faster_whisper")
            assert (whisper.state, whisper.serving) == (State.STARTING, False)
            assert whisper.detail.startswith("weights: ")
            hub.held.set()
            with anyio.fail_after(60):
                while not whisper.serving:
                    await anyio.sleep(0.01)
                    whisper = next(s for s in cast.statuses() if s.name == "faster_whisper")
            assert await cast.stt.transcribe(spoken) == SAYS
    assert hub.ranges() == ["bytes=0-", "bytes=100000-"]


def test_a_gpu_that_does_not_work_falls_back_to_the_cpu(model, monkeypatch):
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    stt = FasterWhisper(str(model))
    assert stt._load([model]).model.device == "cpu"
    with pytest.raises(CannotStart):
        FasterWhisper(str(model), device="cuda")._load([model])


def test_faster_whisper_is_offered():
    assert faster_whisper.stt_backend().name == "faster_whisper"
