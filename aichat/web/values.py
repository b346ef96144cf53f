"""What clients may send, over REST and the WebSocket alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

FRAME_LIMIT = 65_536
"""Bytes in one frame from a client."""
TEXT_LIMIT = 8_000
"""Letters in one typed message."""
MOST_LINES = 65_535
LONGEST_MS = 1e8

ModelName = Annotated[str, Meta(min_length=1, max_length=200)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
MaxTokens = Annotated[int, Meta(ge=1, le=100_000)]
TopP = Annotated[float, Meta(ge=0, le=1)]
Strategy = Literal["all", "first", "round_robin", "natural", "manual"]
Id = Annotated[str, Meta(min_length=1, max_length=200)]
Ids = Annotated[list[Id], Meta(max_length=100)]
Replies = Annotated[int, Meta(ge=1, le=50)]


class SettingsChanges(Struct):
    """What is to be changed of settings; null takes one away.

    *strategy* says who answers when the user names nobody: ``all``, the ``first``, one after the
    other (``round_robin``), by talkativeness (``natural``), or nobody (``manual``). *max_replies*
    limits the replies to one message. With *auto* the characters go on by themselves, for
    *auto_cap* replies (6), until the user speaks or types.
    """

    model: ModelName | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    max_tokens: MaxTokens | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    strategy: Strategy | UnsetType | None = UNSET
    max_replies: Replies | UnsetType | None = UNSET
    auto: bool | UnsetType | None = UNSET
    auto_cap: Replies | UnsetType | None = UNSET


def sent(body: Struct) -> dict[str, Any]:
    """Return the fields that were sent."""
    pairs = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {name: value for name, value in pairs if value is not UNSET}
