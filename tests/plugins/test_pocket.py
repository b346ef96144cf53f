import subprocess
import sys
import threading

import anyio
import pytest

from aichat.core import BackendFailed, BadValue, CannotStart, NotReady, Voice, closing
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing import TtsContract
from aichat.core.testing.leak_checks import first_audio, say
from aichat.plugins import pocket
from aichat.plugins.pocket import Pocket, catalogue, files
from aichat.toolkit import local_model
from aichat.toolkit.bounded_dict import BoundedDict
from aichat.toolkit.packages import installs
from aichat.toolkit.voices.cloning import introduce
from support import tiny_pocket
from support.cloned_voice import a_clone

pytestmark = pytest.mark.anyio

LONG = "The quick brown fox jumps over the lazy dog, and it does so again. " * 20


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the models are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return tiny_pocket.build(tmp_path_factory.mktemp("pocket"))


def made(paths, **settings):
    model, voices = map(str, paths)
    return Pocket(model, voices, **settings)


@pytest.fixture(scope="module")
async def loaded(paths, anyio_backend):
    async with made(paths, clone=True) as backend:
        yield backend


@pytest.fixture
def tts(loaded):
    """Knows nobody yet."""
    loaded._engine.clones.clear()
    return loaded


class TestPocket(TtsContract):
    pass


# -- voices --------------------------------------------------------------------------------------


async def test_a_cloned_voice_is_learnt_from_its_clip_once(tts):
    store = MemoryStorage()
    voice = await a_clone(store)
    assert not tts.knows(voice)
    assert (await introduce(voice, tts, store)).audio_tokens is None
    assert tts.knows(voice)
    assert tts._engine._state(voice) is tts._engine.clones[voice.audio_path]
    assert (await say(tts, "Hello.", voice)).pcm


async def test_a_clip_that_is_too_short_is_told(tts):
    store = MemoryStorage()
    with pytest.raises(BadValue, match="shorter than"):
        await introduce(await a_clone(store, seconds=0.2), tts, store)


async def test_without_weights_that_can_clone_it_takes_one_of_its_own_voices(paths):
    async with made(paths) as tts:
        voice = await a_clone(MemoryStorage())
        assert tts.abilities == frozenset()
        assert tts.knows(voice)
        assert (await say(tts, "Hello.", voice)).pcm
    assert made(paths, clone=True).abilities == {"clone"}


async def test_only_so_many_clones_are_kept_in_memory(tts):
    tts._engine.clones = BoundedDict(2)
    store = MemoryStorage()
    voices = []
    for number in range(3):
        voice = await a_clone(store, seconds=0.6 + number / 10)
        await store.delete_voice("Me") if number < 2 else None
        voices.append(voice)
        await introduce(voice, tts, store) if number == 2 else tts._engine.clones.update(
            {voice.audio_path: None}
        )
    assert not tts.knows(voices[0])
    assert tts.knows(voices[1])
    assert tts.knows(voices[2])


@pytest.mark.parametrize(
    ("about", "those"),
    [
        ("Female, British accent", catalogue.WOMEN),
        ("An old man", catalogue.MEN),
        ("A friendly voice", catalogue.ENGLISH),
    ],
)
def test_a_described_voice_gets_one_that_fits_and_always_the_same(about, those):
    chosen = {
        catalogue.choose(Voice(f"{n}", speaker_desc=about), catalogue.ENGLISH) for n in range(40)
    }
    assert chosen <= set(those)
    assert len(chosen) > 2
    voice = Voice("Olivia", speaker_desc=about)
    assert len({catalogue.choose(voice, catalogue.ENGLISH) for _ in range(3)}) == 1


def test_a_voice_may_name_one():
    voice = Voice("Olivia", speaker_desc="A woman", settings={"pocket": "marius"})
    assert catalogue.choose(voice, catalogue.ENGLISH) == "marius"
    assert catalogue.choose(voice, ["lola"]) == "lola"


# -- ends and failures -------------------------------------------------------------------------


async def test_a_closed_stream_leaves_no_thread_and_frees_its_model(tts):
    await say(tts, "Hello.", Voice("x"))
    before = threading.active_count()
    for _ in range(2 * tts.max_concurrent):
        async with closing(tts.speak(LONG, Voice("x"))) as stream:
            await first_audio(stream)
    with anyio.fail_after(60):
        while tts._workers.listeners or threading.active_count() > before + 1:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert len(tts._engine.free) == tts.max_concurrent


async def test_each_that_speaks_at_once_has_a_model_of_its_own(tts, monkeypatch):
    used, both = [], threading.Barrier(2, timeout=60)
    speak = type(tts._engine.free[0]).generate_audio_stream

    def noted(self, *args, **options):
        used.append(id(self))
        both.wait()
        return speak(self, *args, **options)

    monkeypatch.setattr(type(tts._engine.free[0]), "generate_audio_stream", noted)
    async with anyio.create_task_group() as tasks:
        for text in ("One.", "Two."):
            tasks.start_soon(say, tts, text, Voice("x"))
    assert len(set(used)) == 2


async def test_a_failure_is_told_and_the_next_clause_is_spoken(tts, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(
            type(tts._engine.free[0]), "generate_audio_stream", lambda *_, **__: iter([1 / 0])
        )
        with pytest.raises(BackendFailed, match=r"pocket-tts failed \(ZeroDivisionError\)"):
            await say(tts, "Hello.", Voice("x"))
    assert (await say(tts, "Hello.", Voice("x"))).pcm


async def test_it_is_not_ready_before_and_after(paths):
    tts = made(paths)
    with pytest.raises(NotReady):
        await say(tts, "Hello.", Voice("x"))
    async with tts:
        pass
    with pytest.raises(NotReady):
        await say(tts, "Hello.", Voice("x"))


# -- files and the start -------------------------------------------------------------------------


def test_a_model_of_the_package_says_which_files_it_needs():
    tts = Pocket()
    weights, tokenizer = tts.weights
    assert weights.name == "english_18m_2026-10-weights"
    assert weights.repository == "kyutai/pocket-tts-without-voice-cloning"
    assert weights.files == ("languages/english_18m_2026-10/model.safetensors",)
    assert tokenizer.repository == "kyutai/pocket-tts-without-voice-cloning"
    assert Pocket(clone=True).weights[0].repository == "kyutai/pocket-tts"


def test_addresses_become_paths_where_the_files_are(tmp_path):
    recipe = files.read("english_18m_2026-10")
    names = [weights.name for weights in recipe.weights(clone=False)]
    content = recipe.local(False, {name: tmp_path / name for name in names})
    assert "weights_path_without_voice_cloning" not in content
    assert content["weights_path"].startswith(str(tmp_path / names[0]))
    tokenizer = content["flow_lm"]["lookup_table"]["tokenizer_path"]
    assert tokenizer.startswith(str(tmp_path / names[1]))
    assert "hf://" not in f"{content['weights_path']}{tokenizer}"


async def refusal(**settings):
    with pytest.raises(CannotStart) as caught:
        async with Pocket(**settings):
            pass
    return caught.value


async def test_a_missing_package_is_told_with_its_mend(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    assert (await refusal()).hint == installs("pocket")
    assert Pocket().weights == ()


async def test_an_unknown_model_and_one_that_is_broken_are_told(tmp_path):
    assert (await refusal(model="englsh")).hint == "Did you mean 'english'?"
    (tmp_path / "m.yaml").write_text("weights_path: x")
    assert "no model" in (await refusal(model=str(tmp_path / "m.yaml"))).problem


async def test_without_a_voice_it_does_not_start(paths, tmp_path):
    error = await refusal(model=str(paths[0]), voices=str(tmp_path))
    assert "no voice" in error.problem
    gone = await refusal(model=str(paths[0]), voices=str(tmp_path / "gone"))
    assert "cannot load" in gone.problem


def test_nothing_heavy_is_imported_while_there_are_no_weights(tmp_path):
    program = """
import anyio, sys
from aichat.core import CannotStart
from aichat.plugins.pocket import Pocket
async def main():
    try:
        async with Pocket(download=False):
            pass
    except CannotStart as error:
        print(error.problem)
anyio.run(main)
print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HF_HOME": str(tmp_path), "PATH": ""},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    problem, loaded = done.stdout.splitlines()
    assert "are not here and may not be downloaded" in problem
    assert loaded == "False"


def test_pocket_is_offered():
    assert pocket.tts_backend().name == "pocket"
