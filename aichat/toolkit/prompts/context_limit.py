"""Keeps a prompt within a model's context: the oldest messages are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from aichat.core.models import PromptMessage

from .message_roles import in_turns

T = TypeVar("T")


def encoded_within(
    messages: Sequence[PromptMessage],
    most: int,
    encode: Callable[[Sequence[PromptMessage]], T],
    count: Callable[[T], int],
) -> T:
    """Return the encoded messages, of which the oldest are left out until *most* tokens are left.

    The first message, which is the system prompt, and the last stay. They may be too long: what is
    cut of them is for the caller to decide.
    """
    kept = messages
    while True:
        encoded = encode(kept)
        if count(encoded) <= most or len(kept) <= 2:
            return encoded
        kept = in_turns([kept[0], *_newer(kept)])


def _newer(messages: Sequence[PromptMessage]) -> Sequence[PromptMessage]:
    """Leave out the oldest quarter, up to the next words of the user."""
    least = 1 + max(1, (len(messages) - 1) // 4)
    users = (at for at in range(least, len(messages)) if messages[at].role == "user")
    return messages[next(users, len(messages) - 1) :]
