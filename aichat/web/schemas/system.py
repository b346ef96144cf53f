"""Answers of the REST API about aichat itself; clients never send these."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

# -- what aichat is made of --------------------------------------------------------------------


class Model(Struct):
    """A language model that conversations and characters may name; null is not known.

    Prices are in USD for a million tokens.
    """

    id: str
    name: str
    context_length: int | None
    prompt_price: float | None
    completion_price: float | None


class Tool(Struct):
    """A tool that characters may use: *parameters* is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]
    plugin: str


class Plugin(Struct):
    """A plug-in, and whether plugins.toml enables it."""

    name: str
    module: str | None
    enabled: bool


class PartStatus(Struct):
    """One candidate for a part, and its state."""

    part: str
    name: str
    state: Literal["waiting", "starting", "ready", "failed"]
    serving: bool
    detail: str
    notice: str


class Plugins(Struct):
    """The installed plug-ins, and the candidates of every part."""

    plugins: list[Plugin]
    parts: list[PartStatus]


class BackendSetting(Struct):
    """A live setting: one that may be changed while its backend runs.

    *base* is what plugins.toml says, *takes* what it may be in words; *low* and *high* are limits
    of numbers, *choices* the values there are, where others are not possible.
    """

    name: str
    value: Any
    base: Any
    changed: bool
    takes: str
    low: float | None
    high: float | None
    choices: list[str | int]


# -- turns and prompts -------------------------------------------------------------------------


class Latency(Struct):
    """A turn's waterfall: *marks* in ms after the first, *gaps* between speakers in ms."""

    turn_id: str
    marks: dict[str, float]
    gaps: list[float]
    final: bool


class PromptMessage(Struct):
    """One message as it was sent; *name* is who said it, when that is another character."""

    role: str
    content: str
    name: str | None
    tool_calls: list[PromptCall]


class PromptCall(Struct):
    """A tool that a character asked for; *arguments* are JSON, as its model wrote it."""

    name: str
    arguments: str


class Prompt(Struct):
    """A prompt. *model* and *temperature* are the character's own, and win over *settings*."""

    message_id: str
    character_id: str
    model: str | None
    temperature: float | None
    settings: dict[str, Any]
    messages: list[PromptMessage]
