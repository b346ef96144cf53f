"""What clients may send, over REST and the WebSocket alike."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

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
