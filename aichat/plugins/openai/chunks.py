"""What one chunk of a chat completion says, whichever server made it.

Chunks of OpenAI, Azure, OpenRouter, Mistral, llama.cpp, vLLM and others differ: the text may be a
list of parts, stand in ``message`` or ``text``, and much may be missing or null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from attrs import frozen

from aichat.core import Usage

ENDS = {
    *("stop", "length", "tool_calls", "function_call", "content_filter"),
    *("eos", "eos_token", "end_turn", "stop_sequence", "max_tokens", "tool_use", "complete"),
}
"""Finish reasons of a reply that is surely over; others are missing or not standard."""
NO_REASON = ("", "null", "none")
THOUGHTS = ("reasoning", "reasoning_content", "thinking")
MOST_PARTS = 1_000


@frozen
class Fragment:
    """A piece of a call for a tool; each of its fields may be missing."""

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""


@frozen
class Delta:
    """What a chunk adds. *thinks*: there is a thought in it; *ends* is the reason, if it ends."""

    text: str = ""
    fragments: tuple[Fragment, ...] = ()
    thinks: bool = False
    ends: str = ""


def delta_of(chunk: Mapping[str, Any]) -> Delta:
    """Read the first choice of a chunk, or of a whole answer."""
    choices = chunk.get("choices")
    several = choices if isinstance(choices, list) else ()
    choice = min((one for one in several if isinstance(one, Mapping)), key=_place, default=None)
    if choice is None:
        return Delta()
    reason = str(choice.get("finish_reason") or "").casefold()
    bodies = [one for one in map(choice.get, ("delta", "message")) if isinstance(one, Mapping)]
    body = next((one for one in bodies if one), {})
    text = "".join(_texts(body.get("content")))
    text = text or _text(choice.get("text")) or _text(body.get("refusal"))
    return Delta(
        text,
        tuple(_fragments(body)),
        any(body.get(name) for name in THOUGHTS) or _has_thoughts(body.get("content")),
        "" if reason in NO_REASON else reason,
    )


def _place(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(content: object) -> Iterator[str]:
    """Yield the text of a content: it may be parts, of which some are thoughts."""
    for part in _parts(content):
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping) and not _is_thought(part):
            yield _text(part.get("text")) or _text(part.get("refusal"))


def _parts(content: object) -> list[Any]:
    return content[:MOST_PARTS] if isinstance(content, list) else [content]


def _has_thoughts(content: object) -> bool:
    return any(isinstance(part, Mapping) and _is_thought(part) for part in _parts(content))


def _is_thought(part: Mapping[str, Any]) -> bool:
    return any(name in str(part.get("type")) for name in ("thinking", "reasoning"))


def _fragments(body: Mapping[str, Any]) -> Iterator[Fragment]:
    calls = body.get("tool_calls")
    for one in calls if isinstance(calls, list) else ():
        if isinstance(one, Mapping):
            yield _fragment(one.get("index"), one.get("id"), one.get("function") or one)
    if isinstance(body.get("function_call"), Mapping):  # of the time before tools
        yield _fragment(0, None, body["function_call"])


def _fragment(index: object, id: object, function: object) -> Fragment:
    given = function if isinstance(function, Mapping) else {}
    arguments = given.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    is_number = str(index).isdecimal() and len(str(index)) < 10
    return Fragment(
        int(str(index)) if is_number else None,
        str(id or ""),
        _text(given.get("name")),
        arguments or "",
    )


def usage_of(chunk: Mapping[str, Any]) -> Usage | None:
    """Read the usage of the reply, if the chunk reports it; only OpenRouter reports the cost."""
    took = chunk.get("usage")
    if not isinstance(took, Mapping) or not took:
        return None
    return Usage(
        _text(chunk.get("model")) or None,
        _count(took.get("prompt_tokens")),
        _count(took.get("completion_tokens")),
        _cost(took.get("cost")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _cost(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < inf else None
