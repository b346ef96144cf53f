"""Events from the choice of speakers to the text of each reply.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from aichat.core.models import Prompt

from .base import Event, Line, LineEvent, letters


@frozen
class SpeakersAsked(Event):
    """Characters are to speak although the user said nothing. Opens a new turn.

    *characters* are ids, in order; none: the conversation's strategy chooses. *auto*: they go on by
    themselves, without a request.
    """

    characters: tuple[str, ...] = ()
    auto: bool = False


@frozen
class SpeakersChosen(Event):
    """These lines will be said, in this order; none when no one is to answer, *note* says why.

    When the characters go on by themselves, these are replies ``count + 1`` and following of at
    most *cap*; else both are 0.
    """

    lines: tuple[Line, ...]
    note: str = ""
    count: int = 0
    cap: int = 0


@frozen
class LineBegan(LineEvent):
    """The character's reply has begun."""


@frozen
class PromptSent(LineEvent):
    """The prompt that the model is sent for the line, for inspection."""

    prompt: Prompt = field(repr=lambda prompt: f"<{len(prompt.messages)} messages>")

    urgent: ClassVar[bool] = True


@frozen
class ReplyRetried(LineEvent):
    """The model began with another character's name: it is asked once more, and nothing is shown.

    Published once for a line at most.
    """


@frozen
class ReplyText(LineEvent):
    """The model wrote a few more letters; *index* counts the pieces of the line from 0."""

    text: str = field(repr=letters)
    index: int = 0


@frozen
class ToolUsed(LineEvent):
    """The character used a tool; *result* is what the model was sent, or why it *failed*."""

    name: str
    arguments: Mapping[str, Any] = field(factory=dict, repr=lambda given: f"<{len(given)} given>")
    result: str = field(default="", repr=letters)
    failed: bool = False


@frozen
class ReplyClause(LineEvent):
    """A speakable piece of the reply is complete; *index* counts them from 0.

    *shown* is the piece as the text shows it, *text* as it is to be read out; the *shown* of all
    clauses joined equal the reply.
    """

    index: int
    text: str = field(repr=letters)
    shown: str = field(repr=letters)


@frozen
class ReplyFinished(LineEvent):
    """The text of the reply is complete, in *clauses* pieces; empty when the model failed."""

    text: str = field(repr=letters)
    clauses: int = 0


@frozen
class ReplyWithdrawn(LineEvent):
    """The text written last was the model's reasoning and no part of the reply.

    *text* is what remains of the reply so far. The clauses from index *first* up to *until*, which
    is the index of the next one, are void.
    """

    text: str = field(repr=letters)
    first: int = 0
    until: int = 0
