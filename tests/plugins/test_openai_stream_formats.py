"""Streams as servers really send them: each is read, or its failure explained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BackendFailed, ToolCall, closing, tool
from aichat.core.testing.llm_contract import ask
from aichat.core.testing.llm_contract import whole as said
from aichat.plugins.openai import OpenAiLlm, stream
from aichat.plugins.openai.chunks import Delta, Fragment, delta_of
from aichat.plugins.openai.event_stream import LONGEST, Lines
from support.scripted_http_server import DONE, SSE, Answer, event, open_raw, says, streamed

pytestmark = pytest.mark.anyio

END = says("", "stop") + DONE


async def roll(dice: str) -> str:
    """Roll."""
    return dice


async def clock() -> str:
    """Tell the time."""
    return "Noon."


async def written(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    """Return the text and the calls of a reply for which the server sends *answer*."""
    prompt = evolve(ask("Hi"), tools=(tool(roll, name="dice"), tool(clock)))
    async with (
        open_raw(lambda _: answer) as server,
        OpenAiLlm("m", base_url=server.url) as llm,
        closing(llm.reply(prompt)) as pieces,
    ):
        read = [piece async for piece in pieces]
    calls = [(one.name, one.arguments) for one in read if isinstance(one, ToolCall)]
    return "".join(one for one in read if isinstance(one, str)), calls


def whole(message: dict[str, Any]) -> bytes:
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return json.dumps({"object": "chat.completion", "choices": choices}, indent=1).encode()


SHAPES = {
    "no reason to end, but the mark": [says("Hello!"), DONE],
    "the mark in small letters": [says("Hello!"), b"data: [done]\n\n"],
    "another choice first": [
        b'data: {"choices": [{"index": 1, "delta": {"content": "Bye!"}}, '
        b'{"index": 0, "delta": {"content": "Hello!"}}]}\n\n',
        END,
    ],
    "a reason, but no mark": [says("Hello!"), says("", "stop")],
    "a reason that nobody knows": [says("Hello!"), says("", "abort")],
    "an empty reason": [says("Hel", ""), says("lo!", ""), END],
    "null as a word": [says("Hel", "null"), says("lo!", "null"), END],
    "an end before the first word": [says("", "stop"), says("Hello!"), END],
    "an end with the last word": [says("Hello!", "stop"), DONE],
    "no choices": [b'data: {"choices": []}\n\n', b'data: {"id": "x"}\n\n', says("Hello!"), END],
    "null as choices": [b'data: {"choices": null}\n\n', says("Hello!"), END],
    "null as delta": [says("Hello!"), event({"delta": None, "finish_reason": "stop"}), DONE],
    "no delta": [says("Hel"), event({"content_filter_results": {}}), says("lo!"), END],
    "parts": [
        says([{"type": "thinking", "thinking": [{"type": "text", "text": "plan"}]}]),
        says([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]),
        END,
    ],
    "parts that are plain": [says(["Hel", {"text": "lo!"}]), END],
    "a message in place of a delta": [
        event({"message": {"content": "Hello!"}, "finish_reason": "stop"}),
        DONE,
    ],
    "text in place of a delta": [event({"text": "Hello!", "finish_reason": "stop"}), DONE],
    "a refusal": [event({"delta": {"content": None, "refusal": "Hello!"}}), END],
    "comments, pings and ids": [b": hi\n\nevent: ping\nid: 1\ndata: {}\n\n", says("Hello!"), END],
    "empty events": [b"data:\n\ndata: \n\n", says("Hello!"), END],
    "a byte order mark": [b"\xef\xbb\xbf", says("Hello!"), END],
    "carriage returns": [(says("Hello!") + END).replace(b"\n", b"\r\n")],
    "carriage returns alone": [(says("Hello!") + END).replace(b"\n", b"\r")],
    "no spaces": [(says("Hello!") + END).replace(b"data: ", b"data:")],
    "data on two lines": [b'data: {"choices": [{"delta":\ndata: {"content": "Hello!"}}]}\n\n', END],
    "no empty lines": [(says("Hel") + says("lo!") + END).replace(b"\n\n", b"\n")],
    "no end of the last event": [says("Hello!"), says("", "stop").rstrip()],
    "JSON lines": [says("Hello!").removeprefix(b"data: ")[:-1], b"[DONE]\n", DONE],
    "the whole body": [whole({"content": "Hello!"})],
    "two choices": [
        json.dumps({"choices": [{"message": {"content": "Hello!"}}, {"message": {}}]}).encode(),
        b"\n\ndata: [DONE]\n\n",
    ],
}


@pytest.mark.parametrize("name", SHAPES)
async def test_a_stream_of_any_shape_is_read(name: str) -> None:
    assert await written(streamed(*SHAPES[name])) == ("Hello!", [])


async def test_a_body_of_json_is_read_whatever_it_is_called() -> None:
    for kind in ("application/json", "text/plain"):
        answer = 200, {"content-type": kind}, [whole({"content": "Hello!"})]
        assert await written(answer) == ("Hello!", [])


async def test_half_a_letter_costs_no_more_than_itself() -> None:
    broken = says("Hello ?!").replace(b"?", b"\xf0\x9f")
    answer = (200, SSE, [broken, END])
    assert await written(answer) == ("Hello \ufffd!", [])


async def test_halves_of_a_letter_come_together() -> None:
    def raw(text: str) -> bytes:
        return b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n' % text.encode()

    pieces = [raw("Hi \\ud83d"), raw("\\ude00"), raw(" \\ud83d"), raw("!"), END]
    assert (await written(streamed(*pieces)))[0] == "Hi 😀 \ufffd!"
    assert (await written(streamed(raw("Hi \\ud83d"), END)))[0] == "Hi \ufffd"


FAILURES = {
    "an error as a word": ([b'data: {"error": "overloaded"}\n\n'], "reported an error"),
    "an error as an event": (
        [says("Hello"), b'event: error\ndata: {"message": "no", "code": "502"}\n\n'],
        "has a fault (502)",
    ),
    "an error as the body": ([b'{"error": {"message": "no", "code": 402}}'], "no credit left"),
    "what is too long": (
        [b'data: {"error": {"message": "maximum context length is 4096 tokens"}}\n\n'],
        "The conversation is longer than the language model can read",
    ),
    "an error as the body, in words": (
        [b'{"error": "model \\"x\\" not found"}'],
        '127.0.0.1 answered with an error in place of a reply: “model "x" not found”. Check model',
    ),
    "a detail as the body": (
        [b'{"detail": [{"loc": ["body"], "msg": "Field\\nrequired", "input": "private"}]}'],
        "in place of a reply: “Field required”.",
    ),
    "a detail over lines": ([b'{\n "detail": "Not authenticated with a-key"\n}'], "with …”."),
    "a page with a title": (
        [b"<html><head>\n<title>Sign in &amp; surf</title></head>\n<body>Hi</body></html>"],
        "answered with a web page (“Sign in & surf”), not as a language model does",
    ),
    "a page": ([b"<!DOCTYPE html><p>Log in</p>"], "answered with a web page"),
    "no end at all": ([says("Hello")], "broke off in mid-sentence"),
    "nothing": ([DONE], "wrote nothing"),
    "only thoughts": (
        [event({"delta": {"reasoning": "hm"}, "finish_reason": "length"}), DONE],
        "came to its limit before its first word",
    ),
    "a filter": (
        [event({"delta": {}, "finish_reason": "content_filter"}), DONE],
        "filter withheld",
    ),
    "a list": ([b"data: [1, 2]\n\n"], "broke off"),
    "an endless line": ([b"data: " + b"x" * (LONGEST + 1)], "a line without an end"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_is_told_in_words(name: str) -> None:
    pieces, problem = FAILURES[name]
    async with (
        open_raw(lambda _: streamed(*pieces)) as server,
        OpenAiLlm("m", base_url=server.url, api_key="a-key") as llm,
    ):
        with pytest.raises(BackendFailed) as failed:
            await said(llm, ask("Hi"))
    assert problem in failed.value.line
    assert "private" not in failed.value.line


async def test_what_follows_the_last_mark_is_not_waited_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "DONE_SECONDS", 0.05)
    answer = (200, {**SSE, "content-length": "100000"}, [says("Hello!"), DONE])
    assert await written(answer) == ("Hello!", [])


# -- calls -------------------------------------------------------------------------------------


def call(
    index: object = None, id: object = None, name: object = None, arguments: object = None
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": id, "type": "function"}
    kept = {key: value for key, value in fields.items() if value is not None}
    return {**kept, "function": {key: v for key, v in function.items() if v is not None}}


ROLL = ("dice", '{"dice": "2d6"}')
LOOK = ("clock", "{}")
CALLS: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[str, str]]]] = {
    "an object": ([[call(0, "a", "dice", {"dice": "2d6"})]], [ROLL]),
    "null": ([[{**call(0, "a", "clock"), "function": {"name": "clock", "arguments": None}}]], []),
    "no index": ([[call(None, "a", *ROLL)], [call(None, "b", *LOOK)]], [ROLL, LOOK]),
    "no id": ([[call(0, None, *ROLL)], [call(1, None, *LOOK)]], [ROLL, LOOK]),
    "neither": ([[call(None, None, *ROLL)], [call(None, None, *LOOK)]], [ROLL, LOOK]),
    "empty ids": ([[call(0, "", *ROLL)], [call(0, "", *LOOK)]], [ROLL, LOOK]),
    "one id for two": ([[call(0, "a", *ROLL)], [call(1, "a", *LOOK)]], [ROLL, LOOK]),
    "one index": ([[call(0, None, *ROLL)], [call(0, None, *LOOK)]], [ROLL, LOOK]),
    "one chunk": ([[call(None, "a", *ROLL), call(None, "b", *LOOK)]], [ROLL, LOOK]),
    "an index as text": ([[call("0", "a", *ROLL)], [call("1", "b", *LOOK)]], [ROLL, LOOK]),
    "an index that changes": (
        [[call(0, "a", *ROLL)], [call(0, "b", "clock", "")], [call(1, None, None, "{}")]],
        [ROLL, LOOK],
    ),
    "an index that changes back": (
        [[call(0, "a", "dice", '{"dice": ')], [call(1, "a", None, '"2d6"}')]],
        [ROLL],
    ),
    "fragments": (
        [
            [call(0, "a", "dice", "")],
            [call(0, None, None, '{"dice": ')],
            [call(0, None, None, '"2d6"}')],
        ],
        [ROLL],
    ),
    "a name in fragments": ([[call(0, "a", "di", "")], [call(0, None, "ce", ROLL[1])]], [ROLL]),
    "the name last": (
        [[call(0, "a", None, '{"dice": ')], [call(0, None, "dice", '"2d6"}')]],
        [ROLL],
    ),
    "a name that is repeated": (
        [[call(0, "a", "dice", '{"dice": ')], [call(0, "a", "dice", '"2d6"}')]],
        [ROLL],
    ),
    "more each time": ([[call(0, "a", "dice", '{"dice": ')], [call(0, "a", *ROLL)]], [ROLL]),
    "the same again": ([[call(0, "a", *ROLL)], [call(0, "a", *ROLL)]], [ROLL]),
    "two as one": (
        [[call(0, "a", "dice", '{"dice": "2d6"}{"dice": "d4"}')]],
        [ROLL, ("dice", '{"dice": "d4"}')],
    ),
    "nothing to tell": ([[call(0, "a", "clock"), call(1, "b", "dice", ROLL[1])]], [ROLL]),
}


@pytest.mark.parametrize("name", CALLS)
async def test_calls_of_any_shape_are_put_together(name: str) -> None:
    chunks, wanted = CALLS[name]
    events = [event({"delta": {"tool_calls": one}}) for one in chunks]
    _, calls = await written(streamed(*events, event({"finish_reason": "tool_calls"}), DONE))
    bare = [("clock", "")] if name in ("null", "nothing to tell") else []
    assert calls == [*bare, *wanted]


async def test_calls_of_the_old_kind_and_of_whole_bodies_are_read() -> None:
    old = event({"delta": {"function_call": {"name": "clock", "arguments": "{}"}}})
    assert (await written(streamed(old, DONE)))[1] == [LOOK]
    assert (await written(streamed(whole({"tool_calls": [call(0, "a", *ROLL)]}))))[1] == [ROLL]


# -- odd chunks --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "text", "tool_calls", "id"])
            | st.sampled_from(["index", "function", "name", "arguments", "finish_reason", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.just("choices"), st.lists(JSON, min_size=1)))
def test_whatever_a_chunk_holds_it_is_read(chunk: dict[str, Any]) -> None:
    assert isinstance(delta_of(chunk), Delta)


def test_what_a_chunk_says_is_read() -> None:
    fields = {"content": "Hi", "reasoning": "hm", "tool_calls": [{"id": 7, "function": {}}]}
    chunk = {"choices": [{"delta": fields, "finish_reason": "STOP"}]}
    assert delta_of(chunk) == Delta("Hi", (Fragment(None, "7"),), True, "stop")


@given(
    st.lists(st.sampled_from(["a", "bc", ""]), max_size=8),
    st.sampled_from([b"\n", b"\r", b"\r\n"]),
    st.integers(1, 5),
)
def test_lines_are_whole_however_their_bytes_are_cut(
    words: list[str], mark: bytes, length: int
) -> None:
    data = b"".join(word.encode() + mark for word in words)
    lines = Lines()
    read = [
        line for at in range(0, len(data), length) for line in lines.feed(data[at : at + length])
    ]
    assert read == [word.encode() for word in words]
    assert lines.flush() == b""
