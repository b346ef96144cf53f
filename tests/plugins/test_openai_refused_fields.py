"""What a server refuses is left out in the same turn; what it names, from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, evolve, field

from aichat.core import BackendFailed, Prompt, PromptMessage, ToolCall, tool
from aichat.core.testing.llm_contract import ask, whole
from aichat.plugins.openai import OpenAiLlm
from aichat.plugins.openai.errors import StreamError
from aichat.plugins.openai.refused_fields import MOST_MODELS, Refused, refusal
from support.scripted_http_server import DONE, Answer, event, hello, open_raw, refused, streamed

pytestmark = pytest.mark.anyio


async def clock() -> str:
    """Tell the time."""
    return "Noon."


FULL = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "stop": ["END"]}


def a_prompt(model: str = "m", *earlier: PromptMessage) -> Prompt:
    prompt = ask("Hi", *earlier)
    return evolve(prompt, tools=(tool(clock),), settings={"model": model, **FULL})


@define
class Strict:
    """A server that refuses, for as long as *wrong* finds something wrong with a request."""

    wrong: Callable[[dict[str, Any]], Answer | None]
    seen: list[dict[str, Any]] = field(factory=list)

    def answer(self, body: dict[str, Any]) -> Answer:
        self.seen.append(body)
        return self.wrong(body) or hello()


@asynccontextmanager
async def a_model(strict: Strict) -> AsyncIterator[OpenAiLlm]:
    async with open_raw(strict.answer) as server, OpenAiLlm("m", base_url=server.url) as llm:
        yield llm


def without(name: str, status: int, message: object) -> Strict:
    """A server that takes no field *name*."""
    return Strict(lambda body: refused(status, message) if name in body else None)


EXTRA = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stop"], "msg": "Extra inputs"}]}
NAMED = {
    "llama.cpp": ("tools", 500, "tools param requires --jinja flag"),
    "vLLM": ("tools", 400, '"auto" tool choice requires --enable-auto-tool-choice'),
    "OpenRouter": ("tools", 404, "No endpoints found that support tool use."),
    "Ollama": ("tools", 400, "registry.ollama.ai/library/gemma:2b does not support tools"),
    "not implemented": ("tools", 501, "Function calling is not implemented"),
    "stream_options": ("stream_options", 422, "Extra inputs are not permitted: stream_options"),
    "top_p": ("top_p", 400, "`temperature` and `top_p` cannot both be specified"),
    "functions": ("tools", 400, "functions are not supported"),
    "temperature": ("temperature", 400, "Unsupported value: 'temperature' does not support 0.5"),
    "stop": ("stop", 422, EXTRA),
    "stop, in words": ("stop", 400, "Unsupported parameter: 'stop' is not supported"),
    "max_tokens": ("max_tokens", 400, "Unsupported parameter: 'max_tokens'. Use another."),
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_an_error_names_is_left_out_from_then_on(name: str) -> None:
    field, status, message = NAMED[name]
    strict = without(field, status, message)
    async with a_model(strict) as llm:
        for _ in range(2):
            assert await whole(llm, a_prompt()) == "Hello!"
    assert [field in body for body in strict.seen] == [True, False, False]
    kept = {"tools", "stream_options", *FULL} - {field}
    assert all(one in strict.seen[-1] for one in kept), "also what an error names beside it"
    assert ("max_completion_tokens" in strict.seen[-1]) == (field == "max_tokens")


async def test_what_one_model_refuses_another_is_asked_with() -> None:
    strict = without("tools", 400, "tools are not supported")
    async with a_model(strict) as llm:
        await whole(llm, a_prompt("small"))
        await whole(llm, a_prompt("large"))
        await whole(llm, a_prompt("small"))
    tried = [(body["model"], "tools" in body) for body in strict.seen]
    assert tried[:2] == [("small", True), ("small", False)]
    assert tried[2:] == [("large", True), ("large", False), ("small", False)]


@pytest.mark.parametrize("status", [400, 422, 500, 501])
async def test_an_error_without_a_cause_is_tried_once_with_less_and_not_remembered(
    status: int,
) -> None:
    first: Iterator[int] = iter([1])
    strict = Strict(lambda _: refused(status, "Provider returned error") if any(first) else None)
    async with a_model(strict) as llm:
        for _ in range(2):
            assert await whole(llm, a_prompt()) == "Hello!"
    assert ["tools" in body for body in strict.seen] == [True, False, True]


async def test_a_call_that_failed_makes_no_model_toolless() -> None:
    message = "Failed to call a function. Please adjust your prompt. (tool_use_failed)"
    first: Iterator[int] = iter([1])
    strict = Strict(lambda _: refused(400, message) if any(first) else None)
    async with a_model(strict) as llm:
        for _ in range(2):
            await whole(llm, a_prompt())
    assert ["tools" in body for body in strict.seen] == [True, False, True]


async def test_a_model_that_does_not_think_is_not_asked_to() -> None:
    strict = without("reasoning_effort", 400, '"gemma3" does not support thinking')
    async with (
        open_raw(strict.answer) as server,
        OpenAiLlm("m", base_url=server.url, reasoning="low") as llm,
    ):
        for _ in range(2):
            assert await whole(llm, a_prompt()) == "Hello!"
    assert ["reasoning_effort" in body for body in strict.seen] == [True, False, False]
    assert all("tools" in body for body in strict.seen)


async def test_several_fields_may_be_refused_one_after_the_other() -> None:
    def wrong(body: dict[str, Any]) -> Answer | None:
        for name in ("tools", "stream_options", "top_p"):
            if name in body:
                return refused(400, f"Unrecognized request argument supplied: {name}")
        return None

    strict = Strict(wrong)
    async with a_model(strict) as llm:
        for _ in range(2):
            assert await whole(llm, a_prompt()) == "Hello!"
    assert len(strict.seen) == 5


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "System role not supported"),
        (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        (500, "Only user and assistant roles are supported!"),
        (500, "Jinja Exception: Conversation roles must alternate user/assistant/user/..."),
        (422, "Input tag 'system' found using 'role' does not match any of the expected tags"),
        (422, "messages[0].role: 'system' is not one of ['user', 'assistant']"),
    ],
)
async def test_a_model_without_a_system_prompt_is_told_by_the_user(
    status: int, message: str
) -> None:
    def wrong(body: dict[str, Any]) -> Answer | None:
        has_system = any(one["role"] == "system" for one in body["messages"])
        return refused(status, message) if has_system else None

    strict = Strict(wrong)
    async with a_model(strict) as llm:
        for _ in range(2):
            assert await whole(llm, ask("Hi")) == "Hello!"
    assert [body["messages"][0]["role"] for body in strict.seen] == ["system", "user", "user"]
    (only,) = strict.seen[-1]["messages"]
    assert only["content"].startswith("You are Zoë")
    assert only["content"].endswith("Hi")


async def test_results_of_tools_are_told_in_words_to_a_model_that_takes_none() -> None:
    strict = without("tools", 400, "tools are not supported")
    call = ToolCall("1", "clock")
    asked = PromptMessage("assistant", "Let me look.", calls=(call,))
    gave = PromptMessage("tool", "Noon.", "clock", call_id="1")
    prompt = a_prompt()
    prompt = evolve(prompt, messages=(*prompt.messages, asked, gave))
    async with a_model(strict) as llm:
        assert await whole(llm, prompt) == "Hello!"
    assert [one["role"] for one in strict.seen[0]["messages"]][-2:] == ["assistant", "tool"]
    assert strict.seen[1]["messages"][-1] == {"role": "user", "content": "(clock gave: Noon.)"}
    assert "tool_calls" not in strict.seen[1]["messages"][-2]


async def test_a_model_that_asks_for_a_tool_is_offered_tools_again() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "clock", "arguments": "{}"}}

    def answer(body: dict[str, Any]) -> Answer | None:
        if len(strict.seen) == 1:
            return refused(500, "tools are not supported")
        return streamed(event({"delta": {"tool_calls": [call]}}), DONE)

    strict = Strict(answer)
    async with a_model(strict) as llm:
        for _ in range(2):
            await whole(llm, a_prompt())
    assert ["tools" in body for body in strict.seen] == [True, False, True]


@pytest.mark.parametrize(
    ("status", "message", "tries"),
    [
        (401, "tools", 1),
        (402, "This request requires more credits, or fewer max_tokens.", 1),
        (403, "moderation", 1),
        (404, "The model `m` does not exist", 1),
        (400, "Invalid model name: unknown model m", 1),
        (400, "This model's maximum context length is 4096 tokens, reduce max_tokens", 1),
        (400, "no", 3),
    ],
)
async def test_where_less_would_not_help_nothing_is_left_out(
    status: int, message: str, tries: int
) -> None:
    strict = Strict(lambda _: refused(status, message))
    async with a_model(strict) as llm:
        with pytest.raises(BackendFailed):
            await whole(llm, a_prompt())
    assert len(strict.seen) == tries


async def test_what_the_user_set_by_hand_is_never_left_out() -> None:
    strict = Strict(lambda _: refused(400, "Unknown field: provider"))
    async with (
        open_raw(strict.answer) as server,
        OpenAiLlm("m", base_url=server.url, extra_body={"provider": "x"}) as llm,
    ):
        with pytest.raises(BackendFailed):
            await whole(llm, a_prompt())
    assert all(body["provider"] == "x" for body in strict.seen)


def test_the_words_of_the_chat_name_no_field() -> None:
    body = {"message": "bad request", "input": {"messages": ["my tools and my temperature"]}}
    request = {"tools": [], "temperature": 1, "messages": []}
    assert refusal(StreamError(body), request) is None


def test_only_the_newest_models_are_remembered() -> None:
    known = Refused()
    for number in range(MOST_MODELS + 5):
        known.remember(str(number), {"tools"})
    assert len(known.by_model) == MOST_MODELS
    assert known.of("0") == frozenset()
