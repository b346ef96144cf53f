"""Which part of a request a server refuses, by what it says; the model answers without it.

Servers of one protocol take different fields, and models behind one server do: some know no tools,
no ``stream_options``, no system prompt. What an error names is remembered for the model; what may
only be the cause is left out of one turn.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from aichat.toolkit.bounded_dict import BoundedDict

from .errors import StreamError, is_too_long, said, status_of

MOST_MODELS = 1_000
ABOUT_THE_REQUEST = (400, 404, 405, 415, 422, 500, 501)
"""Statuses that may mean that a field is refused, if the error says so;"""
UNEXPLAINED = (400, 422, 500, 501)
"""those that may mean it also when the error says nothing of it."""


def _naming(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


SYSTEM = "system"
"""Stands for the role: without it, the system prompt is the user's first words."""
NAMED = {
    "tools": _naming(r"\btools?\b", r"function.?call", r"--jinja", r"\bfunctions are not"),
    "tool_choice": _naming(r"tool.choice"),
    "stream_options": _naming(r"stream.options", r"include_usage"),
    "stop": _naming(r"(?:['\"`]|param\w*:? )stop\b", r"\bstop sequences?\b", r"^stop\b", r" stop$"),
    "temperature": _naming(r"\btemperature\b"),
    "top_p": _naming(r"\btop_p\b"),
    "max_tokens": _naming(r"\bmax_tokens\b"),
    "max_completion_tokens": _naming(r"\bmax_completion_tokens\b", r"\bmax_tokens\b"),
    "reasoning": _naming(r"\breasoning\b", r"\bthinking\b"),
    "reasoning_effort": _naming(r"\breasoning", r"\bthinking\b"),
    SYSTEM: _naming(
        r"(?:system|developer)['\"`]?\s*(?:role|message|prompt|instruction)",
        r"(?:role|roles|got)\W+(?:['\"`])?system",
        r"['\"`]system['\"`] (?:found|was found)",
        r"roles? must alternate",  # ours do, but for the system's
        r"only user(?:,| and) ",
    ),
}
"""The optional parts of a request, and how errors name them."""
FIRST = ("tools", "tool_choice", "stream_options")
"""What is refused most often, and missed least."""
EITHER = _naming(r"\bboth\b", r"only (?:use )?one\b", r"mutually exclusive")
"""Two fields are refused only together: the one that comes later in NAMED is left out."""
MISUSED = _naming(
    r"expected last role", r"failed to (?:call|parse|generate)", r"tool_use_failed", r"tool_call_id"
)
"""The model made a mistake with a tool, which says nothing of the next time."""
OTHER_CAUSE = _naming(
    r"model\W.{0,80}(?:not found|does not exist|not a valid|not exist|unknown)",
    r"(?:unknown|invalid|no such) model",
    r"api.?key|credit|quota|moderation|content.?policy|flagged",
)


@frozen
class Refusal:
    """Fields to leave out; *is_named*: the error says so."""

    fields: frozenset[str]
    is_named: bool


def refusal(error: Exception, request: Mapping[str, Any]) -> Refusal | None:
    """Find what to leave out of *request* after *error*; None if that would not help."""
    status = status_of(error)
    if status not in ABOUT_THE_REQUEST and not (status is None and isinstance(error, StreamError)):
        return None
    if is_too_long(error):
        return None
    reason, present = said(error), frozenset(_present(request))
    named = frozenset(name for name in present if NAMED[name].search(reason))
    if named & {"tools"} and MISUSED.search(reason):
        return Refusal(frozenset(FIRST) & present, False)
    if len(named) > 1 and EITHER.search(reason):
        named = frozenset([[name for name in NAMED if name in named][-1]])
    if named:
        return Refusal(named, True)
    if status not in UNEXPLAINED or OTHER_CAUSE.search(reason):
        return None
    if status == 500 and "tools" not in present:
        return None  # it is the server that stumbled
    present -= {SYSTEM}
    likely = frozenset(FIRST) & present or present
    if "max_tokens" in likely:  # nor by its other name
        likely |= {"max_completion_tokens"}
    return Refusal(likely, False) if likely else None


def _present(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield the optional parts that a request has."""
    for name in NAMED:
        if name in request or name in request.get("extra_body", ()):
            yield name
    if any(message["role"] == "system" for message in request["messages"]):
        yield SYSTEM


@define
class Refused:
    """What models are known to refuse, by their names."""

    by_model: BoundedDict[str, frozenset[str]] = field(factory=lambda: BoundedDict(MOST_MODELS))

    def of(self, model: str) -> frozenset[str]:
        """Return what a request to *model* does without."""
        return self.by_model.get(model, frozenset())

    def forget(self, model: str, name: str) -> None:
        """Ask *model* with a field again: it was seen to know it."""
        if name in self.of(model):
            self.by_model[model] -= {name}

    def remember(self, model: str, fields: Collection[str]) -> None:
        """Leave *fields* out from now on; of many models the oldest is forgotten."""
        self.by_model[model] = self.of(model) | frozenset(fields)
