"""The language model of CTranslate2, with a tiny model that writes real nonsense."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from aichat.core import (
    BackendFailed,
    CannotStart,
    NotReady,
    Prompt,
    PromptMessage,
    Usage,
    closing,
)
from aichat.core.testing.llm_contract import LlmContract, ask
from aichat.plugins import ctranslate2
from aichat.plugins.ctranslate2 import Ctranslate2
from aichat.plugins.ctranslate2.chat_template import end_tokens, template_of
from aichat.plugins.ctranslate2.recommended import RECOMMENDED, known_as
from aichat.plugins.ctranslate2.sampling import Sampling, sampling_of
from aichat.plugins.ctranslate2.token_text import TokenText
from aichat.toolkit import local_model
from aichat.toolkit.packages import installs
from support import tiny_ctranslate2

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_ctranslate2.build(tmp_path_factory.mktemp("chat"))


def made(folder, **settings):
    usual = {"device": "cpu", "max_tokens": 60, "context_tokens": 1024, "threads": 1}
    return Ctranslate2(str(folder), **{**usual, **settings})


@pytest.fixture(scope="module")
async def llm(folder, anyio_backend):
    async with made(folder) as backend:
        yield backend


class TestCtranslate2(LlmContract):
    pass


def with_settings(prompt, **settings):
    return Prompt(prompt.character, prompt.cast, prompt.messages, settings)


async def everything(llm, prompt):
    async with closing(llm.reply(prompt)) as stream:
        return [piece async for piece in stream]


def written_at_once(writer, tokens):
    """What the model writes behind *tokens* in one piece, and how many tokens that is."""
    (result,) = writer.generator.generate_batch(
        [tokens],
        max_length=40,
        sampling_topk=1,
        repetition_penalty=1.1,
        include_prompt_in_result=False,
        end_token=list(writer.ends),
    )
    (ids,) = result.sequences_ids
    text = writer.tokenizer.decode(ids, skip_special_tokens=False)
    return text.replace("\0", "\ufffd"), len(ids)


# -- the reply -------------------------------------------------------------------------------


async def test_a_reply_goes_on_behind_what_it_is_begun_with(llm):
    asked = with_settings(ask("Hello?"), temperature=0, max_tokens=40)
    writer = llm._engine
    tokens = [*writer.read(asked.messages, 900), *writer._split("Zoë:")]
    *pieces, usage = await everything(llm, evolve(asked, prefill="Zoë:"))
    expected, _ = written_at_once(writer, tokens)
    assert "".join(pieces) == expected
    assert usage.prompt_tokens == len(tokens)


async def test_the_pieces_are_the_whole_text(llm):
    prompt = with_settings(ask("Hello?"), temperature=0, max_tokens=40)
    *pieces, usage = await everything(llm, prompt)
    writer = llm._engine
    tokens = writer.read(prompt.messages, 900)
    expected, written = written_at_once(writer, tokens)
    assert "".join(pieces) == expected
    assert usage == Usage(llm.weights[0].name, len(tokens), written, 0.0)


async def test_a_reply_ends_before_any_of_the_texts_to_stop_at(llm):
    plain = with_settings(ask("Hello?"), temperature=0, max_tokens=40)
    *pieces, _ = await everything(llm, plain)
    whole = "".join(pieces)
    stop = whole[5:8]
    stopping = with_settings(plain, temperature=0, max_tokens=40, stop=["", "never", stop])
    *pieces, took = await everything(llm, stopping)
    assert "".join(pieces) == whole[: whole.index(stop)] != whole
    assert took.reply_tokens < 40


async def test_a_reply_that_is_left_ends_within_one_token(llm, monkeypatch):
    generator, steps = llm._engine.generator, []
    inside, go_on = threading.Event(), threading.Event()

    class Slow:
        def generate_tokens(self, *args, callback, **options):
            def slow(step):
                steps.append(None)
                if len(steps) == 5:
                    inside.set()
                    go_on.wait(60)
                return callback(step)

            return generator.generate_tokens(*args, callback=slow, **options)

    monkeypatch.setattr(llm, "_engine", evolved(llm._engine, generator=Slow()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(everything, llm, ask("Go on."))
        await anyio.to_thread.run_sync(inside.wait, 60)
        tasks.cancel_scope.cancel()
    go_on.set()
    with anyio.fail_after(60):
        while llm._workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.005)
    assert len(steps) == 5


async def test_a_reply_that_nobody_reads_on_keeps_no_other_waiting(folder):
    async with (
        made(folder, max_concurrent=1) as llm,
        closing(llm.reply(ask("You first."))) as unread,
    ):
        assert await anext(unread)
        with anyio.fail_after(60):
            assert await everything(llm, ask("And you?"))
        assert [piece async for piece in unread]


async def test_a_reply_of_nothing_is_an_error(llm, monkeypatch):
    class Silent:
        def generate_tokens(self, *_, **__):
            yield from ()

    monkeypatch.setattr(llm, "_engine", evolved(llm._engine, generator=Silent()))
    with pytest.raises(BackendFailed, match="wrote nothing"):
        await everything(llm, ask("Hello?"))


async def test_what_goes_wrong_is_reported(llm, monkeypatch):
    for error, problem in (
        (RuntimeError("CUDA failed with error out of memory"), "too little memory"),
        (ZeroDivisionError(), r"failed \(ZeroDivisionError\)"),
    ):

        class Broken:
            def generate_tokens(self, *_, error=error, **__):
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(llm, "_engine", evolved(llm._engine, generator=Broken()))
            with pytest.raises(BackendFailed, match=problem):
                await everything(llm, ask("Hello?"))
    assert await everything(llm, ask("Hello?"))


def evolved(writer, **changes):
    from attrs import evolve

    return evolve(writer, **changes)


# -- the prompt ------------------------------------------------------------------------------


async def test_the_oldest_messages_go_when_there_are_too_many(llm):
    roles = ("user", "assistant")
    history = [PromptMessage("system", "You are Zoë.")]
    history += [PromptMessage(roles[n % 2], f"Number {n + 1}. ") for n in range(399)]
    tokens = llm._engine.read(history, 500)
    text = text_of(llm, tokens)
    assert len(tokens) <= 500
    assert text.startswith("<|im_start|>system\nYou are Zoë.")
    assert "Number 399." in text
    assert "Number 1. " not in text


async def test_of_one_message_that_is_too_long_the_end_is_kept(llm):
    tokens = llm._engine.read([PromptMessage("user", "a" * 900 + "z")], 100)
    assert len(tokens) == 100
    assert "z<|im_end|>" in text_of(llm, tokens)


def text_of(llm, tokens):
    tokenizer = llm._engine.tokenizer
    return tokenizer.decode(
        [tokenizer.token_to_id(token) for token in tokens], skip_special_tokens=False
    )


async def test_it_reads_no_more_than_is_set(llm, folder):
    assert llm.context_tokens == 1024
    async with made(folder, context_tokens=300) as small:
        assert small.context_tokens == 300
        *_, usage = await everything(small, ask("a" * 900))
        assert usage.prompt_tokens + usage.reply_tokens <= 300


async def test_the_system_prompt_of_a_character_is_read_once(folder):
    """Whatever was said meanwhile, and by whom: the reply is the same as without that."""
    first = with_settings(ask("Hello?"), temperature=0, max_tokens=20)
    second = with_settings(ask("And who are you?"), temperature=0, max_tokens=20)
    async with made(folder) as llm:
        cache = llm._engine.cache
        tokens = llm._engine.read(first.messages, 900)
        kept = llm._engine.beginning(first.messages, tokens)
        assert "You are Zoë" in text_of(llm, tokens[:kept])
        assert "Hello" not in text_of(llm, tokens[:kept])
        await everything(llm, first)
        kept_reply = await everything(llm, second)
        assert (cache.hits, cache.misses) == (1, 1)
    async with made(folder) as llm:
        llm._engine.cache.most = 0
        assert await everything(llm, second) == kept_reply
        assert (llm._engine.cache.hits, llm._engine.cache.kept) == (0, set())


async def test_without_a_system_prompt_nothing_is_kept(llm):
    prompt = Prompt(ask("").character, (), [PromptMessage("user", "Hi.")])
    assert llm._engine.beginning(prompt.messages, llm._engine.read(prompt.messages, 900)) == 0


async def test_the_model_forgets_system_prompts_when_it_is_loaded_anew(folder):
    async with made(folder) as llm:
        cache = llm._engine.cache
        cache.most = 200  # a token is a letter here: one system prompt
        for name in ("Zoë", "Mark", "Zoë"):
            prompt = ask("Hello?")
            system = PromptMessage("system", f"You are {name}. " * 10)
            assert await everything(llm, evolved(prompt, messages=(system, *prompt.messages[1:])))
        assert (cache.hits, cache.misses, len(cache.kept)) == (0, 3, 1)


# -- templates -------------------------------------------------------------------------------

TALK = (
    PromptMessage("system", "Be kind."),
    PromptMessage("user", "Hi."),
    PromptMessage("assistant", "Hello."),
    PromptMessage("user", "Bye."),
)
FAMILIES = {
    "<|im_start|> <|im_end|>": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "<|im_start|> <|im_end|> <think>": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    ),
    "<|start_header_id|> <|end_header_id|> <|eot_id|>": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "<start_of_turn> <end_of_turn>": (
        "<s><start_of_turn>user\nBe kind.\n\nHi.<end_of_turn>\n"
        "<start_of_turn>model\nHello.<end_of_turn>\n<start_of_turn>user\nBye.<end_of_turn>\n"
        "<start_of_turn>model\n"
    ),
    "<|user|> <|assistant|> <|end|>": (
        "<|system|>\nBe kind.<|end|>\n<|user|>\nHi.<|end|>\n<|assistant|>\nHello.<|end|>\n"
        "<|user|>\nBye.<|end|>\n<|assistant|>\n"
    ),
}


@pytest.mark.parametrize("tokens", FAMILIES)
def test_a_conversion_without_a_template_gets_that_of_its_family(tmp_path, tokens):
    (tmp_path / "config.json").write_text('{"bos_token": "<s>"}')
    template = template_of(tmp_path, set(tokens.split()).__contains__)
    assert template.text(TALK) == FAMILIES[tokens]


@pytest.mark.parametrize(
    "file",
    [
        {"chat_template": "{{ messages[1].content }}{{ eos_token }}"},
        {
            "chat_template": [
                {"name": "tool_use", "template": "no"},
                {"name": "default", "template": "{{ messages[1].content }}{{ eos_token }}"},
            ]
        },
    ],
)
def test_a_template_of_its_own_goes_first(tmp_path, file):
    settings = {**file, "eos_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert template_of(tmp_path, lambda token: True).text(TALK) == "Hi.</s>"
    (tmp_path / "chat_template.jinja").write_text("{{ messages | length }}")
    assert template_of(tmp_path, lambda token: True).text(TALK) == "4"


def test_a_template_cannot_reach_into_the_program(tmp_path):
    (tmp_path / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}")
    with pytest.raises(CannotStart, match="unsafe"):
        template_of(tmp_path, lambda token: True)


def test_a_template_without_a_system_role_has_its_prompt_in_the_users_words(tmp_path):
    strict = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ messages[0].content }}"
    )
    (tmp_path / "chat_template.jinja").write_text(strict)
    assert template_of(tmp_path, lambda token: True).text(TALK) == "Be kind.\n\nHi."


def test_a_reply_ends_at_the_tokens_of_its_model_and_of_its_family(tmp_path):
    (tmp_path / "config.json").write_text('{"eos_token": "<stop>"}')
    known = {"<stop>", "<|im_end|>", "<|endoftext|>"}
    assert end_tokens(tmp_path, known.__contains__) == ["<stop>", "<|im_end|>", "<|endoftext|>"]


# -- text of tokens --------------------------------------------------------------------------

TEXTS = ("Zoë: naïve – 你好 👩‍👩‍👧‍👦🫠 שלום e\u0301!", "a\ufffdb", "  two  spaces\n\n", "🫠🫠🫠")


def as_bytes(tokens):
    """Decode as byte-level tokenisers do: what is no character yet is one sign."""
    return bytes(tokens).decode(errors="replace")


def as_runs(tokens):
    """Decode as tokenisers that fall back to bytes do: one sign for each byte of a broken run."""
    text = bytes(tokens)
    try:
        return text.decode()
    except UnicodeDecodeError:
        sound = len(text.decode(errors="ignore").encode())
        is_ascii = [byte < 128 for byte in text]
        start = len(text) if all(is_ascii) else is_ascii.index(False)
        return text[:start].decode() + "\ufffd" * (len(text) - start) if sound else "\ufffd"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("decode", [as_bytes, as_runs])
def test_no_character_comes_in_halves(text, decode):
    coming = TokenText(decode)
    pieces = [coming.feed(byte) for byte in text.encode()]
    assert "".join([*pieces, coming.flush()]) == text
    assert all("\ufffd" not in piece or "\ufffd" in text for piece in pieces)


def test_a_reply_that_ends_within_a_character_says_so():
    coming = TokenText(as_bytes)
    pieces = [coming.feed(byte) for byte in "ok 🫠".encode()[:-1]]
    assert ("".join(pieces), coming.flush()) == ("ok ", "\ufffd")


# -- sampling --------------------------------------------------------------------------------


def test_what_was_chosen_goes_before_what_the_models_makers_advise():
    advised = sampling_of({"temperature": 0.6, "top_p": 0.8, "top_k": 20, "eos_token_id": [1]})
    assert advised == Sampling(0.6, 0.8, 20, 1.1)
    assert advised.options({"temperature": 1.5, "top_p": 0.5}) == {
        "sampling_temperature": 1.5,
        "sampling_topp": 0.5,
        "sampling_topk": 20,
        "repetition_penalty": 1.1,
    }
    assert advised.options({})["sampling_temperature"] == 0.6
    assert advised.options({"temperature": 0}) == {"sampling_topk": 1, "repetition_penalty": 1.1}


# -- the start -------------------------------------------------------------------------------


async def refusal(folder, **settings):
    with pytest.raises(CannotStart) as caught:
        async with made(folder, **settings):
            pass
    return caught.value


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


async def test_what_is_missing_is_named_with_the_way_to_get_it(folder, copy, monkeypatch):
    assert "/no/such" in (await refusal("/no/such")).problem
    assert 'device to "cpu"' in (await refusal(copy, device="gpu")).hint
    (copy / "tokenizer.json").rename(copy / "elsewhere.json")
    missing = await refusal(copy)
    assert "no tokenizer.json" in missing.problem
    assert "original model" in missing.hint
    (copy / "model.bin").unlink()
    assert "ct2-transformers-converter" in (await refusal(copy)).hint
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    assert (await refusal(folder)).hint == installs("whisper")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("model.bin", "nonsense", "cannot be loaded"),
        ("tokenizer.json", "{}", "cannot be read"),
        ("tokenizer_config.json", "{", "is no JSON"),
        ("chat_template.jinja", "{% if %}", "template .* is wrong"),
    ],
)
async def test_what_is_broken_is_named(copy, file, content, problem):
    (copy / file).write_text(content)
    with pytest.raises(CannotStart, match=problem):
        async with made(copy):
            pass


def test_a_model_that_was_not_made_to_talk_is_refused(tmp_path):
    with pytest.raises(CannotStart, match="without a chat template"):
        template_of(tmp_path, lambda token: False)


async def test_it_is_not_ready_before_its_start(folder):
    with pytest.raises(NotReady):
        await everything(made(folder), ask("Hello?"))


def test_it_is_offered_and_says_which_weights_it_needs():
    assert ctranslate2.llm_backend().name == "ctranslate2"
    (usual,) = ctranslate2.llm_backend().make().weights
    assert usual == known_as("qwen2.5-1.5b-instruct-ct2")
    (named,) = Ctranslate2("qwen3-1.7b-ct2").weights
    assert named.repository == "jncraton/Qwen3-1.7B-ct2-int8"
    (other,) = Ctranslate2("me/Mine-ct2").weights
    assert (other.name, other.repository) == ("mine-ct2", "me/Mine-ct2")


async def test_without_a_model_it_asks_for_one(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CannotStart, match="may not be downloaded") as caught:
        async with Ctranslate2():
            pass
    assert "models download qwen2.5-1.5b-instruct-ct2" in caught.value.hint


async def test_the_recommended_model_that_was_downloaded_last_is_used(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for number, one in enumerate((RECOMMENDED[1], RECOMMENDED[2], RECOMMENDED[0])):
        place = tmp_path / ("models--" + one.weights.repository.replace("/", "--"))
        revision = one.weights.revision or "0" * 40
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text(revision)
        shutil.copytree(folder, place / "snapshots" / revision)
        os.utime(place / "snapshots" / revision, (number, number))
    async with Ctranslate2(device="cpu", threads=1) as llm:
        assert llm.model == RECOMMENDED[0].name
        *_, usage = await everything(llm, with_settings(ask("Hello?"), max_tokens=4))
        assert usage.model == RECOMMENDED[0].name


def test_this_machine_is_measured_once():
    measure = Ctranslate2(device="cpu", threads=1, max_concurrent=1).recommended.measure
    rate = measure()
    assert rate.write > 0
    assert rate.read > 0
    assert measure() is rate
