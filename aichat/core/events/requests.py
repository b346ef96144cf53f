"""Requests to replay, rewrite or resume lines. Each of these events opens a new turn.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from attrs import field, frozen

from .base import Event, Line


@frozen
class RestWanted(Event):
    """The user wants to hear what an interruption cut off, from message *message_id* on."""

    message_id: str


@frozen
class ReplayWanted(Event):
    """The user wants to hear a character's message again, from the letter *start* of it on.

    *fresh*: it is synthesised anew, even if the earlier speech is still stored.
    """

    message_id: str
    start: int = 0
    fresh: bool = False


@frozen
class RewriteWanted(Event):
    """The user wants another version of a character's message.

    Its prompt ends before that message; the messages that follow it stay.
    """

    message_id: str


@frozen
class LinesRevived(Event):
    """Interrupted lines are resumed; each with its text, empty if it is yet to be written."""

    lines: tuple[Line, ...]
    texts: tuple[str, ...] = field(repr=lambda texts: f"<{len(texts)} texts>")
