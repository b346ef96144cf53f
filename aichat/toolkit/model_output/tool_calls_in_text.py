"""Parses tool calls that a model writes into its text, when its server does not parse them.

There are as many forms as families of models: JSON with a name and arguments, bare or between tags;
a name with JSON behind it; ``<function=name><parameter=key>value``; ``<invoke name="name">``;
Python, ``[name(key="value")]``; ``call:name{key:value}``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping
from json import JSONDecoder
from typing import Any

from attrs import define

from aichat.core.ids import new_id
from aichat.core.tools import ToolCall

MOST = 64
"""Calls in one text, and values that are tried as one."""
NAMES = ("name", "function_name", "tool_name", "tool", "recipient_name", "function", "action")
ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")
FUNCTION = re.compile(r"<(?:function|invoke)(?:=|\s+name\s*=\s*)[\"']?([\w.-]{1,64})[\"']?\s*>")
PARAMETER = re.compile(r"<parameter(?:=|\s+name\s*=\s*)[\"']?([\w.-]{1,64})[\"']?[^>\n]{0,80}>")
PAIR = re.compile(r"<arg_key>\s*([\w.-]{1,64})\s*</arg_key>\s*<arg_value>")
NAME_BEFORE = re.compile(
    r"(?:functions[.:])?([\w-]{1,64})(?::\d+)?\s*"
    r"(?:<[|｜][^<>\n]{1,64}[|｜]>|\[ARGS\]|```(?:json)?|\s){0,4}\Z"
)
BARE = re.compile(r"\s*(?:functions[.:])?([\w-]{1,64})\s*(?:\(\s*\))?\s*\Z")
GEMMA = re.compile(r"\s*call:([\w.-]{1,64})(\{.*\})\s*\Z", re.DOTALL)
GEMMA_QUOTE = re.compile(r"<\|\"\|>|<escape>")
GEMMA_KEY = re.compile(r"(?<=[{,])\s*(\w{1,64})\s*:")
LONGEST_PYTHON = 5_000
DIALECT = re.compile(r"(?<=[</])[|｜]DSML[|｜]")
LONGEST_BEFORE = 160
"""Letters before the arguments in which the name is searched."""


def calls_in(text: str, offered: Collection[str]) -> list[ToolCall]:
    """Read the calls for tools that were *offered*; all else in *text* is left out."""
    text = DIALECT.sub("", text)
    found = [*_tagged(text)] or [*_json(text, offered)] or [*python_calls(text)] or [*_gemma(text)]
    if not found and (bare := BARE.match(text)):
        found = [(bare[1], {})]
    return [_call(name, given) for name, given in found if name in offered][:MOST]


def is_call(text: str, offered: Collection[str]) -> bool:
    """Tell whether *text* is only a call for a tool: JSON, offered or not, or Python."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return any(name in offered for name, _ in python_calls(text))
    several = read if isinstance(read, list) else [read]
    return bool(several) and all(
        isinstance(one, Mapping) and len(one) > 1 - ("tool_calls" in one) and [*_calls(one)]
        for one in several
    )


def _call(name: str, given: object) -> ToolCall:
    if not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False)
    # some templates take ids of nine letters and digits alone
    return ToolCall(new_id().replace("-", "")[-9:], name, given)


def _plain(name: object) -> str:
    return name.removeprefix("functions.") if isinstance(name, str) else ""


def _calls(read: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the calls that an object represents or contains."""
    if isinstance(several := read.get("tool_calls"), list):
        for one in several[:MOST]:
            if isinstance(one, Mapping):
                yield from _calls(one)
    elif isinstance(inner := read.get("function"), Mapping):
        yield from _calls(inner)
    else:
        name = next((named for one in NAMES if (named := _plain(read.get(one)))), "")
        given = next(
            (read[one] for one in ARGUMENTS if isinstance(read.get(one), dict | str)), None
        )
        if name and (given is not None or len(read) == 1):
            yield name, {} if given is None else given


def _json(text: str, offered: Collection[str]) -> Iterator[tuple[str, object]]:
    at = 0
    for _ in range(MOST):
        begins = [place for mark in "{[" if (place := text.find(mark, at)) >= 0]
        if not begins:
            return
        begin = min(begins)
        try:
            read, at = JSONDecoder().raw_decode(text, begin)
        except (ValueError, RecursionError):
            at = begin + 1
            continue
        for one in read if isinstance(read, list) else [read]:
            if isinstance(one, Mapping):
                yield from [*_calls(one)] or _named_before(text, begin, one, offered)


def _named_before(
    text: str, begin: int, given: Mapping[str, Any], offered: Collection[str]
) -> Iterator[tuple[str, object]]:
    before = NAME_BEFORE.search(text[max(0, begin - LONGEST_BEFORE) : begin])
    if before and before[1] in offered:
        yield before[1], dict(given)


def python_calls(text: str) -> Iterator[tuple[str, object]]:
    """Yield the calls of an expression in Python: one, or a list of them, perhaps printed."""
    if len(text) > LONGEST_PYTHON:
        return
    try:
        read = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for one in read.elts[:MOST] if isinstance(read, ast.List | ast.Tuple) else [read]:
        inner = _printed(one)
        if isinstance(inner, ast.Call) and (name := _python_name(inner.func)) and not inner.args:
            try:
                given = {key.arg or "": ast.literal_eval(key.value) for key in inner.keywords}
                yield name, json.dumps(given, ensure_ascii=False)
            except (ValueError, TypeError, RecursionError):  # it is no plain value, or not JSON's
                return


def _printed(one: ast.expr) -> ast.expr:
    """Return what ``print`` is to print, else *one* itself."""
    if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "print":
        return one.args[0] if len(one.args) == 1 else one
    return one


def _python_name(function: ast.expr) -> str:
    """Return ``name`` of ``name``, ``api.name`` and ``name.call``."""
    if isinstance(function, ast.Attribute):
        of_it = function.value
        return (
            of_it.id if function.attr == "call" and isinstance(of_it, ast.Name) else function.attr
        )
    return function.id if isinstance(function, ast.Name) else ""


def _gemma(text: str) -> Iterator[tuple[str, object]]:
    if found := GEMMA.match(text):
        try:
            yield found[1], json.loads(GEMMA_KEY.sub(r'"\1":', GEMMA_QUOTE.sub('"', found[2])))
        except (ValueError, RecursionError):
            return


def _tagged(text: str) -> Iterator[tuple[str, object]]:
    """Yield the calls between tags; a call lasts until the next one begins."""
    begins = list(FUNCTION.finditer(text))
    for at, begin in enumerate(begins[:MOST]):
        end = begins[at + 1].start() if at + 1 < len(begins) else len(text)
        body = text[begin.end() : end]
        given: object = _parameters(body)
        if not given and (cut := body.partition("</")[0].strip()).startswith("{"):
            given = cut
        yield _plain(begin[1]), given
    if not begins and (pairs := _pairs(text, PAIR, "</arg_value>")):
        yield text.strip().partition("\n")[0].partition("<")[0].strip(), pairs


def _parameters(body: str) -> dict[str, Any]:
    return _pairs(body, PARAMETER, "</parameter>")


def _pairs(body: str, key: re.Pattern[str], closing: str) -> dict[str, Any]:
    """Return the values that follow their keys, parsed as JSON where they are JSON."""
    begins = list(key.finditer(body))[:MOST]
    ends = [begin.start() for begin in begins[1:]] + [len(body)][: len(begins)]
    values = {
        begin[1]: body[begin.end() : end].partition(closing)[0].strip()
        for begin, end in zip(begins, ends, strict=True)
    }
    return {name: _value(text) for name, text in values.items()}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@define
class Balance:
    """Finds where a JSON value ends, however it is cut into pieces; each letter is read once."""

    depth: int = 0
    in_text: bool = False
    is_escaped: bool = False

    def end(self, text: str, at: int) -> int:
        """Return the end of the value in *text*, from *at* on; -1 if it continues."""
        while mark := (ESCAPED if self.is_escaped else IN_TEXT if self.in_text else OUTSIDE).search(
            text, at
        ):
            at = mark.end()
            if self.is_escaped:
                self.is_escaped = False
            elif mark[0] == "\\":
                self.is_escaped = True
            elif mark[0] == '"':
                self.in_text = not self.in_text
            else:
                self.depth += 1 if mark[0] in "{[" else -1
                if self.depth <= 0:
                    return at
        return -1


OUTSIDE, IN_TEXT, ESCAPED = re.compile(r'["{}\[\]]'), re.compile(r'["\\]'), re.compile(r"(?s).")
