import threading

import anyio
import pytest
import torch
from attrs import evolve

from aichat.core import (
    BackendFailed,
    CannotStart,
    Character,
    NotReady,
    Prompt,
    PromptMessage,
    Usage,
    closing,
)
from aichat.core.testing.llm_contract import LlmContract, ask
from aichat.plugins import transformers
from aichat.plugins.transformers import Transformers
from aichat.toolkit import local_model
from aichat.toolkit.model_output.stop_strings import Stops
from aichat.toolkit.packages import installs
from support import tiny_chat_model

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_chat_model.build(tmp_path_factory.mktemp("chat"))


def made(folder, **settings):
    return Transformers(str(folder), **{"device": "cpu", "max_tokens": 60, **settings})


@pytest.fixture(scope="module")
async def llm(folder, anyio_backend):
    async with made(folder) as backend:
        yield backend


class TestTransformers(LlmContract):
    pass


def with_settings(prompt, **settings):
    return Prompt(prompt.character, prompt.cast, prompt.messages, settings)


async def everything(llm, prompt):
    async with closing(llm.reply(prompt)) as stream:
        return [piece async for piece in stream]


async def test_without_a_temperature_it_writes_what_generate_writes(llm):
    prompt = with_settings(ask("Hello?"), temperature=0, max_tokens=20)
    *pieces, usage = await everything(llm, prompt)
    model, tokenizer = llm._engine.model, llm._engine.tokenizer
    given = llm._engine._encoded(prompt.messages)
    expected = model.generate(**given, max_new_tokens=20, do_sample=False)
    new = expected[0, given["input_ids"].shape[1] :]
    assert "".join(pieces) == tokenizer.decode(new, skip_special_tokens=True).replace(
        "\0", "\ufffd"
    )
    assert usage == Usage(str(llm.weights[0].name), given["input_ids"].shape[1], 20, 0.0)


async def test_a_reply_goes_on_behind_what_it_is_begun_with(llm):
    asked = with_settings(ask("Hello?"), temperature=0, max_tokens=20)
    *pieces, usage = await everything(llm, evolve(asked, prefill="Zoë:"))
    model, tokenizer = llm._engine.model, llm._engine.tokenizer
    given = llm._engine._encoded(asked.messages)["input_ids"]
    begun = tokenizer("Zoë:", add_special_tokens=False, return_tensors="pt")["input_ids"]
    whole = torch.cat([given, begun], dim=1)
    expected = model.generate(
        input_ids=whole, attention_mask=torch.ones_like(whole), max_new_tokens=20, do_sample=False
    )
    new = tokenizer.decode(expected[0, whole.shape[1] :], skip_special_tokens=True)
    assert "".join(pieces) == new.replace("\0", "\ufffd")
    assert usage.prompt_tokens == whole.shape[1]


async def test_a_reply_ends_before_any_of_the_texts_to_stop_at(llm):
    plain = with_settings(ask("Hello?"), temperature=0, max_tokens=40)
    *pieces, _ = await everything(llm, plain)
    whole = "".join(pieces)
    stop = whole[9:12]
    stopping = with_settings(plain, temperature=0, max_tokens=40, stop=["", "never", stop])
    *pieces, took = await everything(llm, stopping)
    assert "".join(pieces) == whole[: whole.index(stop)] != whole
    assert took.reply_tokens <= 40


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("stops", "before"),
    [
        (("Mark:", "\nUser"), "Well, Mar"),
        (("ark: ",), "Well, MarM"),
        (("and",), "Well, MarMark: hello "),
        (("andx", "no"), None),
    ],
)
def test_a_stop_is_found_however_it_is_cut_and_what_only_looks_like_one_is_kept(
    size, stops, before
):
    text = "Well, MarMark: hello and"
    stopping = Stops(stops)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    said = "".join([*map(stopping.feed, pieces), stopping.flush()])
    assert (said, stopping.is_over) == ((before, True) if before else (text, False))


async def test_a_reply_that_is_left_ends_within_one_token(llm, monkeypatch):
    model, steps = llm._engine.model, []
    forward, inside, go_on = model.forward, threading.Event(), threading.Event()

    def slow(*args, **options):
        steps.append(None)
        if len(steps) == 5:
            inside.set()
            go_on.wait(20)
        return forward(*args, **options)

    monkeypatch.setattr(model, "forward", slow)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(everything, llm, ask("Go on."))
        await anyio.to_thread.run_sync(inside.wait, 20)
        tasks.cancel_scope.cancel()
    go_on.set()
    with anyio.fail_after(60):
        while llm._workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.005)
    assert len(steps) == 5


async def test_the_characters_temperature_wins_over_the_conversations(llm):
    from aichat.plugins.transformers.generation import _sampling

    zoe = Character("zoe-001", "Zoë", temperature=0.3)
    prompt = Prompt(zoe, [zoe], [], {"temperature": 1.5, "top_p": 0.5})
    assert _sampling(prompt) == {"do_sample": True, "temperature": 0.3, "top_p": 0.5}
    plain = Character("zoe-001", "Zoë")
    assert _sampling(Prompt(plain, [plain], [], {})) == {"do_sample": True}
    assert _sampling(Prompt(plain, [plain], [], {"temperature": 0}))["do_sample"] is False


async def test_the_oldest_messages_go_when_there_are_too_many(llm):
    history = [PromptMessage("user", f"Number {number}. ") for number in range(400)]
    history[0] = PromptMessage("system", "You are Zoë.")
    roles = ("user", "assistant")
    history[1:] = [
        PromptMessage(roles[n % 2], message.content) for n, message in enumerate(history[1:])
    ]
    given = llm._engine._read(history, 500)
    text = llm._engine.tokenizer.decode(given["input_ids"][0])
    assert given["input_ids"].shape[1] <= 500
    assert text.startswith("<|im_start|>system\nYou are Zoë.")
    assert "Number 399." in text
    assert "Number 1. " not in text


async def test_one_message_that_is_too_long_is_cut_at_its_beginning(llm):
    given = llm._engine._read([PromptMessage("user", "a" * 900 + "z")], 100)
    assert given["input_ids"].shape == (1, 100)
    assert "z<|im_end|>" in llm._engine.tokenizer.decode(given["input_ids"][0])


async def test_a_model_that_knows_no_system_prompt_is_told_by_the_user(tmp_path):
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    folder = tiny_chat_model.build(tmp_path, strict + tiny_chat_model.TEMPLATE)
    async with made(folder) as llm:
        given = llm._engine._read(ask("Hello?").messages, 500)
        text = llm._engine.tokenizer.decode(given["input_ids"][0])
    assert text.startswith("<|im_start|>user\nYou are Zoë")
    assert "Hello?<|im_end|>" in text


async def test_want_of_memory_and_other_failures_are_told(llm, monkeypatch):
    import torch

    for error, told in (
        (torch.OutOfMemoryError("CUDA out of memory."), "too little memory"),
        (ZeroDivisionError(), r"failed \(ZeroDivisionError\)"),
    ):
        with monkeypatch.context() as patched:

            def fail(*_, error=error, **__):
                raise error

            patched.setattr(llm._engine.model, "forward", fail)
            with pytest.raises(BackendFailed, match=told):
                await everything(llm, ask("Hello?"))
    assert await everything(llm, ask("Hello?"))


async def test_it_knows_how_much_it_can_read(llm, folder):
    assert llm.context_tokens == 2048
    async with made(folder, context_tokens=300) as small:
        assert small.context_tokens == 300


async def refusal(folder, **settings):
    with pytest.raises(CannotStart) as caught:
        async with made(folder, **settings):
            pass
    return caught.value


async def test_what_is_missing_is_told_with_its_mend(folder, tmp_path, monkeypatch):
    assert "/no/such" in (await refusal("/no/such")).problem
    (tmp_path / "config.json").write_text("{}")
    assert "cannot be loaded" in (await refusal(tmp_path)).problem
    assert "'gpu'" in (await refusal(folder, device="gpu")).problem
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    assert (await refusal(folder)).hint == installs("transformers")


async def test_a_model_that_was_not_made_to_talk_is_refused(tmp_path):
    folder = tiny_chat_model.build(tmp_path)
    (folder / "chat_template.jinja").unlink()
    assert "without a chat template" in (await refusal(folder)).problem


async def test_it_is_not_ready_before_its_start(folder):
    with pytest.raises(NotReady):
        await everything(made(folder), ask("Hello?"))


def test_it_is_offered_and_says_which_weights_it_needs():
    llm = transformers.llm_backend().make()
    (weights,) = llm.weights
    assert (weights.name, weights.repository) == ("qwen3-1.7b", "Qwen/Qwen3-1.7B")
