"""Settings and limits that REST and the WebSocket share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from aichat.core import BadValue
from aichat.core.turn_rules import MOST_REPLIES, STRATEGIES

from .known_names import NamesChecked, one_of

FRAME_LIMIT = 65_536
"""Most bytes in one frame from a client."""
TEXT_LIMIT = 8_000
"""Most letters in one typed message."""
MOST_LINES = 65_535
LONGEST_MS = 1e8

ModelName = Annotated[str, Meta(min_length=1, max_length=200)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
MaxTokens = Annotated[int, Meta(ge=1, le=100_000)]
TopP = Annotated[float, Meta(ge=0, le=1)]
Stop = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=4)]
Strategy = Annotated[str, one_of(STRATEGIES)]
Id = Annotated[str, Meta(min_length=1, max_length=200)]
Ids = Annotated[list[Id], Meta(max_length=100)]
Replies = Annotated[int, Meta(ge=1, le=MOST_REPLIES)]


class SettingsChanges(NamesChecked):
    """What is to be changed of settings; null takes one away.

    *strategy* says who answers when the user names nobody. *max_replies* limits the replies to one
    message. With *auto* the characters go on by themselves, for *auto_cap* replies (6), until the
    user speaks or types.
    """

    model: ModelName | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    max_tokens: MaxTokens | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    stop: Stop | UnsetType | None = UNSET
    strategy: Strategy | UnsetType | None = UNSET
    max_replies: Replies | UnsetType | None = UNSET
    auto: bool | UnsetType | None = UNSET
    auto_cap: Replies | UnsetType | None = UNSET


class OwnSettings(Struct):
    """``extensions["llm"]`` of a character: its own choices beside model and temperature."""

    max_tokens: MaxTokens | None = None
    top_p: TopP | None = None
    stop: Stop | None = None


ToolNames = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)]
KNOWN = {"llm": OwnSettings, "tools": ToolNames}
"""The extensions of a character that mean something to aichat; all others are kept as they are."""


def check_extensions(extensions: Mapping[str, Any]) -> None:
    """Check the extensions that aichat reads. Raises :class:`BadValue` that names the field."""
    for name, kind in KNOWN.items():
        try:
            msgspec.convert(extensions.get(name), kind | None)
        except msgspec.ValidationError as error:
            wrong, _, place = str(error).partition(" - at `$")
            field = f"extensions.{name}{place.rstrip('`')}"
            mend = "Mend it and send it again."
            raise BadValue(f"{field} is wrong: {wrong}.", mend, field) from None


def sent(body: Struct) -> dict[str, Any]:
    """Return the fields that were sent."""
    pairs = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {name: value for name, value in pairs if value is not UNSET}
