"""Parses tool calls that a model writes into its text, when its server does not parse them.

There are as many forms as families of models: JSON with a name and arguments, bare or between tags,
also with single quotes; a name with JSON behind it; ``<function=name><parameter=key>value``;
``<invoke name="name">``; Python, ``[name(key="value")]``; ``call:name{key:value}``.

The tools that are *offered* may be a mapping to the names of their parameters: arguments without a
name are then given in that order.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from json import JSONDecoder
from typing import Any

from aichat.core.ids import new_id
from aichat.core.tools import ToolCall

MOST = 64
"""Calls in one text, and values that are tried as one."""
NAMES = (
    *("name", "function_name", "tool_name", "tool", "recipient_name", "function", "action"),
    "call",
)
ARGUMENTS = (
    *("arguments", "parameters", "args", "input", "tool_input", "action_input", "tool_args"),
    *("tool_arguments", "kwargs", "params"),
)
INNER = ("function", "function_call", "tool_call", "tool", "call")
"""Keys under which the call itself may stand."""
CURLY = str.maketrans("“”", '""')
CHILD = re.compile(r"<([A-Za-z_][\w-]{0,63})>")
BARE_KEY = re.compile(r"([{,]\s{0,20})([A-Za-z_]\w{0,63})(\s{0,4}:)")
FUNCTION = re.compile(
    r"<(?:function|invoke|tool|function_call|tool_call|tool_use)(?:=|\s+name\s*=\s*)"
    r"[\"']?([\w.-]{1,64})[\"']?\s*>"
)
PARAMETER = re.compile(r"<parameter(?:=|\s+name\s*=\s*)[\"']?([\w.-]{1,64})[\"']?[^>\n]{0,80}>")
TAGGED_NAME = re.compile(r"<(?:tool_)?name>\s*([\w.-]{1,64})\s*</")
TAGGED_ARGUMENTS = re.compile(r"<(?:arguments|parameters|args|input|tool_input)>")
PAIR = re.compile(r"<arg_key>\s*([\w.-]{1,64})\s*</arg_key>\s*<arg_value>")
NAME_BEFORE = re.compile(
    r"(?:functions[.:])?([\w-]{1,64})(?::\d+)?:?\s*"
    r"(?:<[|｜][^<>\n]{1,64}[|｜]>|\[ARGS\]|```(?:json)?|\s){0,4}\Z"
)
NAMED_JSON = re.compile(r"(?:functions[.:])?([\w-]{1,64})(?::\d{1,3})?\s{0,4}:?\s{0,4}(?=\{)")
BRACKETED = re.compile(r"([\w-]{1,64})\[([^\[\]\n]{0,400})\]")
BARE = re.compile(r"\s*(?:functions[.:])?([\w-]{1,64})\s*(?:\(\s*\))?\s*\Z")
GEMMA = re.compile(r"\s*call:([\w.-]{1,64})(\{.*\})\s*\Z", re.DOTALL)
GEMMA_QUOTE = re.compile(r"<\|\"\|>|<escape>")
GEMMA_KEY = re.compile(r"(?<=[{,])\s*(\w{1,64})\s*:")
LONGEST_PYTHON = 5_000
LONGEST_LITERAL = 20_000
NAMED_VALUES = {"true": True, "false": False, "null": None, "none": None}
NO_VALUE = ("", "none", "null", "n/a", "()")
BEFORE = re.compile(r"\s*(?:```(?:\w{0,12}[ \t]*(?=[\n{\[]))?|`{1,2})?\s*(?:functools(?=\[))?")
DIALECT = re.compile(r"(?<=[</])[|｜]DSML[|｜]")
LONGEST_BEFORE = 160
"""Letters before the arguments in which the name is searched."""


def calls_in(text: str, offered: Collection[str]) -> list[ToolCall]:
    """Read the calls for tools that were *offered*; all else in *text* is left out."""
    text = DIALECT.sub("", text)
    if bracketed := BRACKETED.fullmatch(text):
        return value_calls(bracketed[1], bracketed[2], offered)
    found = (
        [*_tagged(text)]
        or [*_json(text, offered)]
        or [*_literals(text, offered)]
        or [*python_calls(text, offered)]
        or [*_gemma(text)]
    )
    if not found and (bare := BARE.match(text)):
        found = [(bare[1], {})]
    return [_call(name, given) for name, given in found if name in offered][:MOST]


def is_call(text: str, offered: Collection[str]) -> bool:
    """Return whether *text* is only a call of a tool.

    JSON with a name and arguments is one, whether the tool is offered or not; a name alone, or
    Python, has to name one that is.
    """
    bare = unfenced(text)
    read = literal(bare)
    several = read if isinstance(read, list) else [read]
    if several and all(isinstance(one, Mapping) for one in several):
        return all(_is_call(one, offered) for one in several)
    named = NAMED_JSON.match(bare)
    if named and named[1] in offered:
        return isinstance(literal(bare[named.end() :]), Mapping)
    bracketed = BRACKETED.fullmatch(bare)
    if bracketed and bracketed[1] in offered:
        return True
    return any(name in offered for name, _ in python_calls(bare, offered))


def value_calls(name: str, value: str, offered: Collection[str]) -> list[ToolCall]:
    """Return the call of the tool *name* with the arguments *value*, if it is offered."""
    if name not in offered:
        return []
    value = unfenced(value.lstrip(" \t*"))
    if value.casefold() in NO_VALUE:
        return [_call(name, {})]
    read = literal(value)
    if not isinstance(read, Mapping):
        first = next(iter(_parameters_of(name, offered)), "input")
        read = {first: value if read is None else read}
    return [_call(name, dict(read))]


def element_calls(name: str, text: str, offered: Collection[str]) -> list[ToolCall]:
    """Return the call that an element ``<name>...</name>`` is: its children are the arguments."""
    children = _pairs(text, CHILD, "</")
    if children and name in offered:
        return [_call(name, children)]
    return value_calls(name, text.strip(), offered)


def unfenced(text: str) -> str:
    """Return *text* without the backticks around it, and without ``functools`` before a list."""
    before = BEFORE.match(text)
    return text[before.end() if before else 0 :].rstrip("` \t\n;,.")


def literal(text: str) -> Any:
    """Return the object or list that *text* is, in JSON or Python; None if it is neither.

    Other quotes, keys without any, and a comma too many are allowed.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > LONGEST_LITERAL or text[:1] not in ("{", "["):
        return None
    if (read := _python_literal(text)) is None and ("“" in text or BARE_KEY.search(text)):
        read = _python_literal(BARE_KEY.sub(r'\1"\2"\3', text.translate(CURLY)))
    return read


def _python_literal(text: str) -> Any:
    try:
        read = _value_of(ast.parse(text, mode="eval").body)
        json.dumps(read)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return read


def _value_of(node: ast.expr) -> Any:
    """Return the value of a literal; unlike Python, JSON writes true, false and null."""
    if isinstance(node, ast.Dict):
        keys = [_value_of(key) if key else "" for key in node.keys]
        return dict(zip(keys, map(_value_of, node.values), strict=True))
    if isinstance(node, ast.List | ast.Tuple):
        return [_value_of(one) for one in node.elts]
    if isinstance(node, ast.Name) and node.id.casefold() in NAMED_VALUES:
        return NAMED_VALUES[node.id.casefold()]
    return ast.literal_eval(node)


def _is_call(read: Mapping[str, Any], offered: Collection[str]) -> bool:
    found = [*_calls(read)]
    is_name_alone = len(read) == 1 and not isinstance(next(iter(read.values())), list | Mapping)
    if is_name_alone or not found:
        return any(name in offered for name, _ in found or _named_by_key(read, offered))
    return bool(found)


def _named_by_key(
    read: Mapping[str, Any], offered: Collection[str]
) -> Iterator[tuple[str, object]]:
    """Yield the call that ``{"name": {arguments}}`` is."""
    for name, given in read.items():
        if len(read) == 1 and name in offered and isinstance(given, Mapping):
            yield name, dict(given)


def _parameters_of(name: str, offered: Collection[str]) -> Sequence[str]:
    return offered.get(name, ()) if isinstance(offered, Mapping) else ()


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
    elif inner := next((read[one] for one in INNER if isinstance(read.get(one), Mapping)), None):
        yield from _calls(inner)
    elif not isinstance(read.get("description"), str):  # else it is the tool's definition
        name = next((named for one in NAMES if (named := _plain(read.get(one)))), "")
        values = [read[one] for one in ARGUMENTS if one in read]
        given = next((one for one in values if isinstance(one, dict | str)), {})
        if name and (values or len(read) == 1) and (given or not any(values)):
            yield name, given


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
                yield from (
                    [*_calls(one)]
                    or [*_named_before(text, begin, one, offered)]
                    or _named_by_key(one, offered)
                )


def _literals(text: str, offered: Collection[str]) -> Iterator[tuple[str, object]]:
    """Yield the calls of text that is JSON but for its quotes or commas."""
    begin = min((at for mark in "{[" if (at := text.find(mark)) >= 0), default=-1)
    read = literal(text[begin:].rstrip("` \t\n")) if begin >= 0 else None
    for one in read if isinstance(read, list) else [read]:
        if isinstance(one, Mapping):
            yield from [*_calls(one)] or _named_before(text, begin, one, offered)


def _named_before(
    text: str, begin: int, given: Mapping[str, Any], offered: Collection[str]
) -> Iterator[tuple[str, object]]:
    before = NAME_BEFORE.search(text[max(0, begin - LONGEST_BEFORE) : begin])
    if before and before[1] in offered:
        yield before[1], dict(given)


def python_calls(text: str, offered: Collection[str] = ()) -> Iterator[tuple[str, object]]:
    """Yield the calls that lines of Python are: one each, or a list of them, perhaps printed."""
    if len(text) > LONGEST_PYTHON:
        return
    try:
        body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = [line.value for line in body if isinstance(line, ast.Expr)]
    if len(lines) < len(body):
        return
    for read in lines[:MOST]:
        for one in read.elts[:MOST] if isinstance(read, ast.List | ast.Tuple) else [read]:
            inner = _printed(one)
            if isinstance(inner, ast.Call) and (name := _python_name(inner.func)):
                try:
                    yield name, json.dumps(_given(inner, name, offered), ensure_ascii=False)
                except (ValueError, TypeError, RecursionError):  # no plain value, or not JSON's
                    return


def _given(call: ast.Call, name: str, offered: Collection[str]) -> dict[str, Any]:
    """Return the arguments of a call in Python."""
    values = [_value_of(one) for one in call.args]
    if len(values) == 1 and isinstance(values[0], dict) and not call.keywords:
        return values[0]
    named = dict(zip(_parameters_of(name, offered), values, strict=False))
    if len(named) < len(values):
        raise ValueError("an argument has no name")
    return named | {key.arg or "": _value_of(key.value) for key in call.keywords}


def _printed(one: ast.expr) -> ast.expr:
    """Return what ``print`` is to print, or ``await`` to wait for, else *one* itself."""
    if isinstance(one, ast.Await):
        return one.value
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
    if not begins and (name := TAGGED_NAME.search(text)):
        given = TAGGED_ARGUMENTS.search(text)
        yield (
            _plain(name[1]),
            literal(text[given.end() :].partition("</")[0].strip()) if given else {},
        )
    elif not begins and (pairs := _pairs(text, PAIR, "</arg_value>")):
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
