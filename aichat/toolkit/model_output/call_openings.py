"""Finds where a tool call begins that stands in a model's text without tags around it.

JSON with a name and arguments is a call wherever it stands, also behind words. Everything else has
to name a tool that is offered, and to stand alone on a line: ``clock()``, ``dice{"sides": 6}``,
ReAct's ``Action: clock``. In code that is text, unless the whole reply is the call. Each function
looks at a bounded number of letters.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, TypeGuard

from attrs import frozen

LONGEST: Final = 200
"""Most letters that may be withheld until it is known whether a call begins."""
KEYS = frozenset(
    {"name", "function", "function_name", "tool", "tool_name", "tool_calls", "arguments"}
    | {"parameters", "type", "id", "action", "recipient_name", "call", "function_call"}
)
"""Keys with which a call in JSON may begin, in a block of code or without quotes as well."""
JSON = re.compile(
    r"(?P<fence>```\w{0,20}\s{0,8})?\[?\s{0,8}\{\s{0,8}"
    r"(?P<quote>[\"'“”]?)(?P<key>[\w-]{1,64})[\"'“”]?\s{0,4}:"
)
JSON_BEGUN = re.compile(
    r"`{1,2}|(?:```\w{0,20}\s{0,8})?"
    r"(?:\[?\s{0,8}(?:\{\s{0,8}(?:[\"'“”]?[\w-]{0,64}(?:[\"'“”]?\s{0,4})?)?)?)?"
)
LIST = re.compile(r"\[(?P<name>\w{1,64})(?=\(|\Z)")
FENCED = re.compile(
    r"```(?:(?P<thoughts>think(?:ing)?|thoughts?|reasoning)|tool(?:_code|_calls?)?|function_calls?)"
    r"[ \t]*\n"
)
LEAD = r"(?:print\(|await[ \t]|(?:default_api|functions|tools|api)\.)"
CALLED = re.compile(
    rf"[ \t]{{0,8}}(?P<lead>{LEAD}{{0,2}})(?P<name>[A-Za-z_][\w-]{{0,63}})?(?::\d{{0,3}})?"
    r"(?P<gap>[ \t]{0,4}\n?[ \t]{0,4})(?P<open>[({\[]?)"
)
LEADS = ("print(", "await ", "default_api.", "functions.", "tools.", "api.", "functools")
WHOLE = re.compile(r"(?:```\w{0,20}[ \t]{0,4}\n\s{0,8}|`{1,2}(?!`))")
WHOLE_BEGUN = re.compile(r"`{1,2}|```\w{0,20}[ \t]{0,4}(?:\n\s{0,8})?")

NAME = r"(?P<name>[\w-]{1,64})"
LABELS = ("Action", "Tool", "Tool Name", "Function", "✿FUNCTION✿")
INPUTS = (
    *("Action Input", "Action_Input", "Tool Input", "Input", "Arguments", "Parameters", "Args"),
    "✿ARGS✿",
)
LABEL = (
    *(r"[ \t]{0,8}", r"\*{0,2}", LABELS, r"\*{0,2}", r"[ \t]{0,4}", ":", r"\*{0,2}"),
    r"\s{0,4}",
)
INPUT = (
    *(r"[ \t]{0,4}", r"\(?", r"\)?", r"[ \t.]{0,4}", "\n", r"\s{0,4}", r"\*{0,2}", INPUTS),
    *(r"\*{0,2}", r"[ \t]{0,4}", ":", r"\*{0,2}", r"[ \t]{0,4}"),
)
RESULTS = ("Observation", "✿RESULT✿")
Part = str | tuple[str, ...]
"""A part of a pattern, or words of which one stands there."""
REMNANT = (r"[ \t]{0,8}", *"to=functions", r"\.", NAME, r"[^\n{]{0,40}", r"\s{0,4}", r"(?=\{)")
"""What is left of a call in gpt-oss's channels when a server takes the tokens out."""
COMMENTED = (r"[ \t]{0,8}", *"commentary", *REMNANT)


@frozen
class Opening:
    """Where a call begins: the *kind* of reading that it needs, and where its text begins.

    *kind*: ``json``; ``line`` (a call if it stands alone on its line); ``whole`` (one if it is the
    whole reply); ``value`` (the arguments of the tool *name*); ``none`` (a call of *name* without
    arguments); ``label`` (a word that announces a call); ``maybe``: it takes more letters to know.
    """

    kind: str
    at: int = 0
    name: str = ""


MAYBE = Opening("maybe")


def _pattern(*parts: Part) -> re.Pattern[str]:
    return re.compile(
        "".join(one if isinstance(one, str) else f"(?:{'|'.join(one)})" for one in parts)
    )


def beginning(*parts: Part) -> re.Pattern[str]:
    """Return a pattern that also matches the beginning of *parts* where the text ends."""
    return re.compile(_nested([one if isinstance(one, str) else _one_of(one) for one in parts]))


def _one_of(words: tuple[str, ...]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return f"(?:{'|'.join(_nested([*word]) for word in longest_first)})"


def _nested(parts: list[str]) -> str:
    pattern = parts[-1]
    for part in reversed(parts[:-1]):
        pattern = rf"{part}(?:{pattern}|\Z)"
    return pattern


LABELLED, ALONE = (
    _pattern(*LABEL),
    _pattern(*LABEL, NAME, r"[ \t]{0,4}(?:\([ \t]*\))?[ \t.]{0,4}(?=\n|\Z)"),
)
ACTION, ACTION_BEGUN = _pattern(*LABEL, NAME, *INPUT), beginning(*LABEL, NAME, *INPUT)
REMNANTS = tuple((_pattern(*one), beginning(*one)) for one in (REMNANT, COMMENTED))
OBSERVED, OBSERVED_BEGUN = (make(r"[ \t]{0,8}", RESULTS, ":?") for make in (_pattern, beginning))


def json_opening(text: str, at: int, offered: Collection[str]) -> Opening | None:
    """Return whether JSON that may be a call begins at *at*, perhaps in a code block."""
    if found := JSON.match(text, at):
        is_any = bool(offered and found["quote"] and not found["fence"])
        is_call = is_any or found["key"] in KEYS or found["key"] in offered
        return Opening("json", at) if is_call else None
    return MAYBE if _is_short(text, at) and JSON_BEGUN.fullmatch(text, at) else None


def list_opening(text: str, at: int, offered: Collection[str]) -> Opening | None:
    """Return whether a list of calls in Python begins at *at*."""
    if not (found := LIST.match(text, at)):
        return None
    if found.end() < len(text):
        return Opening("json", at) if found["name"] in offered else None
    return MAYBE if _begins_one(found["name"], offered) else None


def whole_opening(text: str, at: int, offered: Collection[str]) -> Opening | None:
    """Return whether code that may be a call, and the whole reply, begins at *at*."""
    if not offered or not (fence := WHOLE.match(text, at)):
        return MAYBE if offered and WHOLE_BEGUN.fullmatch(text, at) else None
    called = _called(text, fence.end(), offered)
    return called if called in (None, MAYBE) else Opening("whole", at)


def line_opening(text: str, at: int, offered: Collection[str]) -> Opening | None:
    """Return whether a call begins with the line that begins at *at*."""
    if opening := _called(text, at, offered):
        return opening
    for whole, begun in REMNANTS:
        if found := whole.match(text, at):
            return Opening("value", found.end(), found["name"])
        if _is_short(text, at) and (found := begun.match(text, at)) and found.end() == len(text):
            return MAYBE
    return _action(text, at, offered)


def is_observation(text: str, at: int) -> bool | None:
    """Return whether an invented result begins at *at*; None if it takes more letters to know."""
    if OBSERVED.match(text, at):
        return True
    return None if OBSERVED_BEGUN.fullmatch(text, at) else False


def _called(
    text: str, at: int, offered: Collection[str], is_labelled: bool = False
) -> Opening | None:
    """Return whether a call in Python, or a name and JSON, begins at *at*."""
    found = CALLED.match(text, at)
    if not found:
        return None
    name, gap = found["name"] or "", found["gap"]
    if mark := found["open"]:
        marks = "{" if "\n" in gap else "({[" if is_labelled else "({"
        is_call = name in offered and mark in marks
        is_list = name == "functools" and mark == "[" and not gap
        return Opening("json" if is_list else "line", at) if is_call or is_list else None
    if found.end() < len(text):
        return None
    if gap:
        return MAYBE if name in offered else None
    known = (*offered, *LEADS) if offered else ("functools",)
    return MAYBE if (name or found["lead"]) and _begins_one(name, known) else None


def _action(text: str, at: int, offered: Collection[str]) -> Opening | None:
    """Return whether ReAct's "Action: name" begins at *at*."""
    if found := ACTION.match(text, at):
        is_certain = "Action Input" in found[0] or "✿" in found[0]
        is_call = is_certain or found["name"] in offered
        return Opening("value", found.end(), found["name"]) if is_call else None
    begun = ACTION_BEGUN.match(text, at)
    if begun and begun.end() == len(text) and _is_short(text, at):
        return MAYBE
    if not (label := LABELLED.match(text, at)):
        return None
    if text.startswith(("`", "{", "["), label.end()):
        json = json_opening(text, label.end(), offered)
        return json if json in (None, MAYBE) else Opening("label", label.end())
    if _names_one(alone := ALONE.match(text, at), offered):
        return Opening("none", alone.end(), alone["name"])
    return _called(text, label.end(), offered, is_labelled=True)


def action_alone(text: str, offered: Collection[str]) -> str:
    """Return the tool that the end of a reply names as its action; empty if it names none."""
    alone = ALONE.fullmatch(text.rstrip("\n"))
    return alone["name"] if _names_one(alone, offered) else ""


def _names_one(alone: re.Match[str] | None, offered: Collection[str]) -> TypeGuard[re.Match[str]]:
    """Return whether an action without arguments is one; "Tool: clock" may be a heading."""
    return alone is not None and "Action" in alone[0] and alone["name"] in offered


def _begins_one(name: str, known: Collection[str]) -> bool:
    return any(one.startswith(name) for one in known)


def _is_short(text: str, at: int) -> bool:
    return len(text) - at <= LONGEST
