import itertools
import json
import subprocess
import sys
import threading

import anyio
import numpy as np
import pytest

from aichat.core import (
    BackendFailed,
    BadValue,
    CannotStart,
    NotReady,
    ReferenceClip,
    Voice,
    closing,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing import TtsContract
from aichat.core.testing.leak_checks import first_audio, say
from aichat.plugins import higgs
from aichat.plugins.higgs import Higgs
from aichat.plugins.higgs import text_normalisation as words
from aichat.toolkit import local_model
from aichat.toolkit.packages import installs
from aichat.toolkit.voices.cloning import introduce, with_tokens_dropped
from aichat.toolkit.voices.text_chunks import pieces
from support import tiny_higgs
from support.cloned_voice import a_clone

pytestmark = pytest.mark.anyio

LONG = "The quick brown fox jumps over the lazy dog, and it does so again. " * 40


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return tiny_higgs.build(tmp_path_factory.mktemp("higgs"))


@pytest.fixture(scope="module")
async def loaded(paths, anyio_backend):
    async with started(paths) as backend:
        yield backend


@pytest.fixture
def tts(loaded):
    """Knows nobody yet."""
    loaded._transcripts.clear()
    return loaded


def started(paths, **settings):
    model, codec = map(str, paths)
    return Higgs(model, codec, **{"device": "cpu", **settings})


class TestHiggs(TtsContract):
    pass


# -- the decode loop ---------------------------------------------------------------------------


@pytest.fixture
def engine(loaded):
    return loaded._engine


def greedy(loaded, prompt, count):
    from aichat.plugins.higgs.code_generation import decoded
    from aichat.plugins.higgs.sampling import Sampler, Sampling

    sampler = Sampler(loaded.layout, Sampling(temperature=0), loaded.device)
    return list(decoded(loaded.model, prompt, sampler, count))


def a_reference(engine, seconds=1.2):
    wave = 3000 * np.sin(np.arange(int(24_000 * seconds)) / 20)
    return ReferenceClip(wave.astype("<i2").tobytes(), 24_000, "So I said.")


@pytest.mark.parametrize("text", ["Hello there.", "How are you today, my friend?"])
def test_its_rows_are_those_of_generate_token_for_token(engine, text):
    prompt = engine.loaded.prompter.prompt(Voice("x", speaker_desc="An old man"), [], text)
    expected = engine.loaded.model.generate(**prompt, max_new_tokens=60, do_sample=False)
    assert greedy(engine.loaded, prompt, 60) == expected[0].tolist()


def test_they_are_those_of_generate_after_a_reference_as_well(engine):
    from aichat.plugins.higgs.prompting import Said
    from aichat.plugins.higgs.reference_codes import frames

    codes, _ = engine.written_down(a_reference(engine))
    before = [Said(frames(codes), "So I said.")]
    prompt = engine.loaded.prompter.prompt(Voice("x"), before, "Hello there.")
    expected = engine.loaded.model.generate(**prompt, max_new_tokens=40, do_sample=False)
    count = prompt["audio_input_ids"].shape[1]  # generate returns these first
    assert greedy(engine.loaded, prompt, 40) == expected[0, count:].tolist()


def test_a_reference_is_told_to_the_model_as_its_own_processor_does_it(engine, monkeypatch):
    from aichat.plugins.higgs.prompting import SCENE, Said
    from aichat.plugins.higgs.reference_codes import frames

    reference, loaded = a_reference(engine), engine.loaded
    codes, was_cut = engine.written_down(reference)
    ours = loaded.prompter.prompt(Voice("x"), [Said(frames(codes), "So I said.")], "Hello.")
    wave = np.frombuffer(reference.pcm, "<i2").astype(np.float32) / 32768

    def text(words):
        return [{"type": "text", "text": words}]

    import transformers
    from transformers import HiggsAudioV2Processor

    # where transformers was imported before torchaudio was provided, its door is closed
    monkeypatch.setattr(transformers, "HiggsAudioV2TokenizerModel", type(loaded.codec))
    tokenizer = loaded.prompter.tokenizer
    processor = HiggsAudioV2Processor(
        loaded.features, tokenizer, loaded.codec, chat_template=tokenizer.chat_template
    )
    theirs = processor.apply_chat_template(
        [
            {"role": "system", "content": text("Generate audio following instruction.")},
            {"role": "scene", "content": text(SCENE)},
            {"role": "user", "content": text("So I said.")},
            {"role": "assistant", "content": [{"type": "audio", "audio": wave}]},
            {"role": "user", "content": text("Hello.")},
        ],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"sampling_rate": 24_000},
    )
    assert not was_cut
    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
    assert ours["audio_input_ids"].tolist() == theirs["audio_input_ids"].tolist()
    assert ours["audio_input_ids_mask"].tolist() == theirs["audio_input_ids_mask"].tolist()


def test_rows_and_frames_are_two_ways_to_write_the_same(engine):
    layout = engine.loaded.layout
    frames = np.random.default_rng(0).integers(0, 1024, (20, 8)).tolist()
    rows = layout.rows(frames)
    assert [layout.frame(rows, number) for number in range(20)] == frames
    assert layout.frame(rows, 20) is None
    complete = [n for n in range(len(rows)) if layout.frame(rows[:n], 0)]
    assert complete[0] == 9  # the first frame is there after nine steps


def test_the_end_is_left_to_the_model_but_not_before_it_can_have_spoken(engine):
    import torch

    from aichat.plugins.higgs.sampling import Sampler, Sampling

    layout = engine.loaded.layout
    logits = torch.zeros(8, 1026)
    logits[:, 1025] = 50.0  # it wants nothing but to end
    sampler = Sampler(layout, Sampling(), torch.device("cpu"), shortest=12)
    while not sampler.is_over:
        sampler.next(logits.view(-1))
    assert all(1025 not in row for row in sampler.rows[:12])
    assert len(sampler.rows) <= 12 + 9
    frames = list(itertools.takewhile(bool, (layout.frame(sampler.rows, n) for n in range(99))))
    assert len(frames) >= 4


def test_the_end_of_one_book_ends_the_others_one_after_the_other(engine):
    import torch

    from aichat.plugins.higgs.sampling import Sampler, Sampling

    sampler = Sampler(engine.loaded.layout, Sampling(temperature=0), torch.device("cpu"))
    logits = torch.zeros(8, 1026)
    logits[:, 7] = 1.0
    for _ in range(10):
        sampler.next(logits.view(-1))
    ending = logits.clone()
    ending[0, 1025] = 9.0
    sampler.next(ending.view(-1))
    while not sampler.is_over:
        sampler.next(logits.view(-1))
    ends = [row.count(1025) for row in sampler.rows[10:]]
    assert ends == [1, 1, 2, 3, 4, 5, 6, 7, 8]


def test_a_code_that_repeats_too_often_is_drawn_anew(engine):
    import torch

    from aichat.plugins.higgs.sampling import Sampler, Sampling

    logits = torch.zeros(8, 1026)
    logits[:, 7] = 9.0  # almost sure at a low temperature, 90 % without
    counts = {}
    for window in (0, 7):
        choice = Sampling(temperature=0.1, ras_window=window)
        sampler = Sampler(engine.loaded.layout, choice, torch.device("cpu"), shortest=200)
        for _ in range(200):
            sampler.next(logits.view(-1))
        counts[window] = sum(row.count(7) for row in sampler.rows[10:])
    assert counts[0] == 190 * 8
    assert counts[7] < 0.97 * counts[0]


def test_top_k_and_top_p_keep_the_same_codes_as_transformers(engine):
    import torch
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    from aichat.plugins.higgs.sampling import Sampler, Sampling

    scores = 3 * torch.randn(8, 1026, generator=torch.Generator().manual_seed(1))
    sampler = Sampler(engine.loaded.layout, Sampling(top_k=50, top_p=0.8), torch.device("cpu"))
    expected = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(50)(None, scores))
    assert torch.equal(sampler._likely(scores), expected)


# -- sound ---------------------------------------------------------------------------------------


def some_frames(count):
    return np.random.default_rng(3).integers(0, 1024, (count, 8)).tolist()


def in_chunks(engine, frames, plan):
    from aichat.plugins.higgs.streaming_decode import Sounding

    sounding = Sounding(engine.loaded.codec, engine.loaded.hop, plan)
    chunks = [chunk for frame in frames for chunk in sounding.add(frame)]
    return [*chunks, *sounding.rest()]


def at_once(engine, frames):
    import torch

    with torch.inference_mode():
        codes = torch.tensor(frames).T[None]
        return engine.loaded.codec.decode(codes).audio_values[0, 0].numpy()


@pytest.mark.parametrize("count", [1, 2, 11, 12, 57])
def test_in_chunks_that_wait_for_ten_frames_it_sounds_as_decoded_at_once(engine, count):
    from aichat.plugins.higgs.streaming_decode import EXACT, waiting_for

    frames = some_frames(count)
    wave = np.concatenate(in_chunks(engine, frames, waiting_for(EXACT)))
    whole = at_once(engine, frames)
    assert wave.shape == whole.shape == (960 * count,)
    assert np.abs(wave - whole).max() < 1e-6 * max(1, np.abs(whole).max())


def test_in_chunks_that_come_soon_it_sounds_nearly_so_at_first_and_then_exactly(engine):
    from aichat.plugins.higgs.streaming_decode import EXACT, FADE, SOON

    frames = some_frames(57)
    chunks = in_chunks(engine, frames, SOON)
    wave, whole = np.concatenate(chunks), at_once(engine, frames)
    assert wave.shape == whole.shape
    assert [len(chunk) for chunk in chunks[:4]] == [840, 960, 1920, 2880]
    hasty = [size for size, waits in SOON if waits < EXACT]
    first_exact = 960 * sum(hasty)
    assert len(hasty) == 6
    assert np.sqrt(np.mean((wave - whole) ** 2)) < 0.1 * np.sqrt(np.mean(whole**2))
    assert np.abs(wave - whole)[first_exact:].max() < 1e-6 * max(1, np.abs(whole).max())
    assert np.abs(wave - whole)[: first_exact - FADE].max() > 1e-6  # what is given for 0.2 s


def test_each_chunk_is_there_before_the_one_before_it_was_heard():
    """While a frame takes half of its time to make."""
    from aichat.plugins.higgs.streaming_decode import SOON

    plan = [*SOON, SOON[-1]]
    for (size, waits), (next_size, next_waits) in itertools.pairwise(plan):
        assert 0.5 * (next_size + next_waits - waits) <= size


async def test_the_first_sound_comes_after_nine_steps(paths, monkeypatch):
    async with started(paths) as tts:
        steps = 0
        model = tts._engine.loaded.model
        forward = model.forward

        def counted(*args, **options):
            nonlocal steps
            steps += 1
            return forward(*args, **options)

        monkeypatch.setattr(model, "forward", counted)
        at = []
        hand_over = higgs.Listener.__call__
        monkeypatch.setattr(
            higgs.Listener, "__call__", lambda *args: (at.append(steps), hand_over(*args))
        )
        async with closing(tts.speak("Hello there.", Voice("x"))) as stream:
            assert await first_audio(stream)
        assert at[0] == 9


async def test_a_voice_says_the_same_in_the_same_way_and_another_seed_is_another_take(tts):
    one = Voice("Olivia", speaker_desc="Female, British accent")
    first, second = [(await say(tts, "Hello there.", one)).pcm for _ in range(2)]
    other = Voice("Olivia", speaker_desc="Female, British accent", settings={"seed": 7})
    assert first == second
    assert (await say(tts, "Hello there.", other)).pcm != first


async def test_a_long_text_is_said_in_pieces_that_know_the_ones_before(tts, monkeypatch):
    prompter = type(tts._engine.loaded.prompter)
    prompts, ask = [], prompter.prompt

    def noted(self, voice, before, text):
        prompts.append((text, [said.text for said in before]))
        return ask(self, voice, before, text)

    monkeypatch.setattr(prompter, "prompt", noted)
    monkeypatch.setattr(pieces, "__defaults__", (20,))
    await say(tts, "One is said. Two is said. Three is said. Four is said.", Voice("x"))
    assert prompts == [
        ("One is said.", []),
        ("Two is said.", ["One is said."]),
        ("Three is said.", ["One is said.", "Two is said."]),
        ("Four is said.", ["Two is said.", "Three is said."]),
    ]


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Hello", "Hello."),
        ("  Hello\n there!  ", "Hello there!"),
        ("It is 20°C (warm)", "It is 20 degrees Celsius warm."),
        ("你好，朋友。", "你好, 朋友."),
        ("Ha [laugh]", "Ha <SE>[Laughter]</SE>"),
        ("so<|eot_id|>on", "so on."),
        ("a<|<|eot_id|>|>b [SPEAKER1] c", "a b c."),
        ("Noooooooo!", "Noooo!"),
        ("…!?", ""),
        ("🎉", ""),
    ],
)
def test_text_is_written_as_the_model_knows_it(text, normal):
    assert words.normal(text) == normal


def test_long_text_is_cut_at_sentences_else_at_words_else_anywhere():
    assert list(pieces("One. Two! Three? Four.", 10)) == ["One. Two!", "Three?", "Four."]
    assert list(pieces("one two three", 7)) == ["one two", "three"]
    assert list(pieces("abcdefgh", 3)) == ["abc", "def", "gh"]
    assert list(pieces("It is 3.14 exactly.", 50)) == ["It is 3.14 exactly."]
    assert list(pieces("", 50)) == []


# -- voices ----------------------------------------------------------------------------------------


async def a_store(*voices):
    store = MemoryStorage()
    for voice in voices:
        await store.add_voice(voice)
    return store


async def test_a_cloned_voice_is_learnt_once_and_its_codes_are_kept(tts, monkeypatch):
    store = await a_store()
    voice = await a_clone(store, "So I said.")
    assert not tts.knows(voice)
    known = await introduce(voice, tts, store)
    assert tts.knows(known)
    assert (await store.voice("Me")).audio_tokens == known.audio_tokens
    assert [len(book) for book in known.audio_tokens] == [30] * 8
    monkeypatch.setattr(type(tts._engine), "written_down", None)  # it would fail
    assert await introduce(known, tts, store) is known


async def test_after_a_restart_a_clone_needs_only_its_words_anew(tts, paths, monkeypatch):
    store = await a_store()
    known = await introduce(await a_clone(store, "So I said."), tts, store)
    before = (await say(tts, "Hello.", known)).pcm
    async with started(paths) as again:
        monkeypatch.setattr(type(again._engine), "written_down", None)
        assert not again.knows(known)
        assert await introduce(known, again, store) == known
        assert again.knows(known)
        assert (await say(again, "Hello.", known)).pcm == before


async def test_a_clone_sounds_otherwise_than_the_voice_that_nobody_knows(tts):
    store = await a_store()
    voice = await a_clone(store, "So I said.")
    unknown = (await say(tts, "Hello.", voice)).pcm
    known = await introduce(voice, tts, store)
    assert unknown
    assert (await say(tts, "Hello.", known)).pcm not in (unknown, b"")


async def test_a_clip_whose_words_nobody_knows_stands_for_the_speaker(tts, monkeypatch):
    store = await a_store()
    known = await introduce(await a_clone(store), tts, store)
    assert tts.knows(known)
    told = []
    prompter = type(tts._engine.loaded.prompter)
    ask = prompter.prompt

    def noted(self, *args):
        made = ask(self, *args)
        told.append(self.tokenizer.decode(made["input_ids"][0]))
        return made

    monkeypatch.setattr(prompter, "prompt", noted)
    assert (await say(tts, "Hello.", known)).pcm
    assert "SPEAKER0:\n<|audio_out_bos|><|AUDIO_OUT|>" in told[0]
    assert "\n\n[SPEAKER0] Hello.<|eot_id|>" in told[0]


async def test_a_described_voice_is_made_up_once_and_kept_with_it(tts):
    voice = Voice("Olivia", speaker_desc="Female, British accent")
    store = await a_store(voice)
    known = await introduce(voice, tts, store)
    assert len(known.audio_tokens) == 8
    assert (await store.voice("Olivia")).audio_tokens == known.audio_tokens
    assert tts.knows(known)
    assert await introduce(known, tts, store) is known
    assert (await say(tts, "Hello.", known)).pcm


async def test_a_voice_that_is_not_kept_yet_can_be_tried(tts):
    tried = await introduce(Voice("New", speaker_desc="A calm man"), tts, await a_store())
    assert tried.audio_tokens


async def test_trying_a_change_does_not_touch_what_is_kept(tts):
    store = await a_store(Voice("Olivia", speaker_desc="Female"))
    tried = await introduce(Voice("Olivia", speaker_desc="A deep man"), tts, store)
    assert tried.audio_tokens
    assert (await store.voice("Olivia")).audio_tokens is None


async def test_a_clip_at_another_rate_is_understood(tts):
    store = await a_store()
    known = await introduce(await a_clone(store, "So I said.", rate=44_100), tts, store)
    assert [len(book) for book in known.audio_tokens] == [30] * 8


async def test_a_clip_that_is_too_long_is_cut_and_loses_its_words(tts):
    store = await a_store()
    known = await introduce(await a_clone(store, "So I said.", seconds=31), tts, store)
    assert [len(book) for book in known.audio_tokens] == [750] * 8
    assert tts._transcripts[known.text_path] == ""


async def test_a_clip_that_is_too_short_or_no_sound_is_told(tts):
    store = await a_store()
    with pytest.raises(BadValue, match="shorter than"):
        await introduce(await a_clone(store, "So I said.", seconds=0.3), tts, store)
    clip = await store.add_clip(b"no sound", "wav")
    broken = await store.add_voice(Voice("Broken", "clone", audio_path=clip))
    with pytest.raises(BadValue, match="cannot be used"):
        await introduce(broken, tts, store)


@pytest.mark.parametrize(
    "codes",
    [[[1, 2, 3]], [7], [[1]] * 7, [[1]] * 7 + [[2, 3]], [[1024]] * 8, [[]] * 8, [["a"]] * 8],
)
async def test_codes_of_another_engine_are_made_anew(tts, codes):
    from aichat.plugins.higgs.reference_codes import fit

    assert not fit(codes, tts._engine.loaded.layout)


def test_codes_go_when_what_they_were_made_of_changes():
    assert with_tokens_dropped({"speaker_desc": "x"}) == {"speaker_desc": "x", "audio_tokens": None}
    assert with_tokens_dropped({"settings": {}, "audio_tokens": [[1]]})["audio_tokens"] == [[1]]
    assert with_tokens_dropped({}) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": -1}, {"seed": "x"}, {"seed": True}, {"higgs": 3}, {"higgs": {"pitch": 1}},
        {"higgs": {"top_p": 2}}, {"higgs": {"temperature": "hot"}},
    ],
)  # fmt: skip
async def test_wrong_settings_of_a_voice_are_told(tts, settings):
    with pytest.raises(BadValue) as caught:
        await say(tts, "Hello.", Voice("x", settings=settings))
    assert caught.value.field == "settings"


async def test_a_voice_may_be_sampled_in_its_own_way(tts):
    cool = Voice("x", settings={"higgs": {"temperature": 0, "top_k": 5.0}})
    warm = Voice("x", settings={"higgs": {"temperature": 1.2}})
    assert (await say(tts, "Hi.", cool)).pcm != (await say(tts, "Hi.", warm)).pcm


# -- ends and failures -------------------------------------------------------------------------


async def test_a_stream_that_is_closed_ends_within_a_step(tts, monkeypatch):
    model = tts._engine.loaded.model
    forward, inside, steps = model.forward, threading.Event(), []
    go_on = threading.Event()

    def slow(*args, **options):
        steps.append(None)
        if len(steps) == 12:
            inside.set()
            go_on.wait(10)
        return forward(*args, **options)

    monkeypatch.setattr(model, "forward", slow)
    async with closing(tts.speak(LONG, Voice("x"))) as stream:
        await first_audio(stream)
        await anyio.to_thread.run_sync(inside.wait, 60)
    go_on.set()
    with anyio.fail_after(60):
        while tts._workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.005)
    assert len(steps) == 12


async def test_want_of_memory_loses_one_clause_and_halves_the_voices(paths, monkeypatch):
    import torch

    async with started(paths, max_concurrent=3) as tts:
        model, ill = tts._engine.loaded.model, threading.Event()
        forward = model.forward

        def forgetful(*args, **options):
            if ill.is_set():
                ill.clear()
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(*args, **options)

        monkeypatch.setattr(model, "forward", forgetful)
        told, said = [], []

        async def speak(text):
            try:
                said.append((await say(tts, text, Voice("x"))).pcm)
            except BackendFailed as error:
                told.append(error)

        ill.set()
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(speak, f"Number {number}.")
        assert len(said) == 2
        assert all(said)
        assert "The memory did not suffice for 3 voices at once" in told[0].problem
        assert "max_concurrent" in told[0].hint
        assert tts.max_concurrent == 1
        assert (await say(tts, "And now?", Voice("x"))).pcm


async def test_two_that_want_memory_at_once_halve_the_voices_once(paths, monkeypatch):
    import torch

    async with started(paths, max_concurrent=4) as tts:
        both = threading.Barrier(2, timeout=60)

        def forgetful(*args, **options):
            both.wait()
            raise torch.OutOfMemoryError("CUDA out of memory.")

        async def speak():
            with pytest.raises(BackendFailed, match="for 4 voices at once; from now on it is 2"):
                await say(tts, "Hello.", Voice("x"))

        with monkeypatch.context() as patched:
            patched.setattr(tts._engine.loaded.model, "forward", forgetful)
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(speak)
        assert tts.max_concurrent == 2
        assert (await say(tts, "And now?", Voice("x"))).pcm


async def test_another_failure_is_told_and_the_next_clause_is_spoken(tts, monkeypatch):
    model = tts._engine.loaded.model
    with monkeypatch.context() as patched:
        patched.setattr(model, "forward", lambda *_, **__: 1 / 0)
        with pytest.raises(BackendFailed, match=r"Higgs Audio failed \(ZeroDivisionError\)"):
            await say(tts, "Hello.", Voice("x"))
    assert (await say(tts, "Hello.", Voice("x"))).pcm


async def test_it_is_not_ready_before_and_after(paths):
    tts = started(paths)
    with pytest.raises(NotReady):
        await say(tts, "Hello.", Voice("x"))
    async with tts:
        stream = tts.speak(LONG, Voice("x"))
        await first_audio(stream)
    with pytest.raises(NotReady):
        await say(tts, "Hello.", Voice("x"))
    with pytest.raises(NotReady):
        assert len([chunk async for chunk in stream]) <= higgs.AHEAD


# -- the start -----------------------------------------------------------------------------------


async def refusal(**settings):
    with pytest.raises(CannotStart) as caught:
        async with Higgs(**settings):
            pass
    return caught.value


@pytest.mark.parametrize("package", ["torch", "transformers", "huggingface_hub"])
async def test_a_missing_package_is_told_with_its_mend(monkeypatch, package):
    monkeypatch.setattr(local_model, "find_spec", lambda name: None if name == package else name)
    error = await refusal()
    assert error.problem == f"The package {package.replace('_', '-')} is missing."
    assert error.hint == installs("higgs")


async def test_without_a_gpu_it_says_so_unless_the_cpu_is_wanted(paths):
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is a GPU")
    model, codec = map(str, paths)
    assert "There is no GPU" in (await refusal(model_path=model, tokenizer_path=codec)).problem
    error = await refusal(model_path=model, tokenizer_path=codec, device="cuda")
    assert "'cuda'" in error.problem


async def test_folders_that_hold_something_else_are_told(paths, tmp_path):
    model, codec = map(str, paths)
    swapped = await refusal(model_path=codec, tokenizer_path=model, device="cpu")
    assert "not 'higgs_audio_v2'" in swapped.problem
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "higgs_audio"}))
    other = await refusal(model_path=str(tmp_path), tokenizer_path=codec, device="cpu")
    assert "'higgs_audio'" in other.problem
    assert "model_path" in other.hint
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "higgs_audio_v2"}))
    empty = await refusal(model_path=str(tmp_path), tokenizer_path=codec, device="cpu")
    assert "cannot be loaded" in empty.problem


async def test_a_folder_that_is_not_there_is_told(paths):
    error = await refusal(model_path="/no/such/folder", tokenizer_path=str(paths[1]))
    assert "/no/such/folder" in error.problem


def test_nothing_heavy_is_imported_while_there_are_no_weights_and_then_transformers_may_be_first(
    paths, tmp_path
):
    program = f"""
import anyio, sys
from pathlib import Path
from aichat.core import CannotStart
from aichat.plugins.higgs import Higgs
async def main():
    try:
        async with Higgs():
            pass
    except CannotStart as error:
        print(error.problem)
anyio.run(main)
print("torch" in sys.modules, "transformers" in sys.modules)
import transformers
transformers.AutoTokenizer
from aichat.plugins.higgs.loading import load
print(load(Path({str(paths[0])!r}), Path({str(paths[1])!r}), "cpu", "auto").rate)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HF_HOME": str(tmp_path), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    problem, loaded, rate = done.stdout.splitlines()
    assert problem.startswith("The weights of higgs-audio-v2 are not here")
    assert loaded == "False False"
    assert rate == "24000"


def test_higgs_is_offered_with_what_it_can():
    offer = higgs.tts_backend()
    assert offer.name == "higgs"
    tts = offer.make()
    assert tts.abilities == {"clone", "describe", "seed"}
    assert [weights.repository for weights in tts.weights] == [higgs.MODEL, higgs.CODEC]
