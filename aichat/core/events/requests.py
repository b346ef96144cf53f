"""What the user wants to hear again, anew, or after all. Each of these events opens a new turn.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from attrs import field, frozen

from .base import Event, Line


@frozen
class RestWanted(Event):
    """The user wants to hear what an interruption cut off, of message *message_id* and after it."""

    message_id: str


@frozen
class ReplayWanted(Event):
    """The user wants to hear a character's message again, from the letter *start* of it on.

    *fresh*: it is to be spoken anew, even if the speech of before is still there.
    """

    message_id: str
    start: int = 0
    fresh: bool = False


@frozen
class RewriteWanted(Event):
    """The user wants another answer in the place of a character's message.

    It is asked with what had been said before that message; what follows it stays.
    """

    message_id: str


@frozen
class LinesRevived(Event):
    """These lines will be said after all; each with its text, empty if it is yet to be written."""

    lines: tuple[Line, ...]
    texts: tuple[str, ...] = field(repr=lambda texts: f"<{len(texts)} texts>")
