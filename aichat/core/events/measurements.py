"""Events that measure a turn: its latency, its words' times, its usage.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from .base import Event, LineEvent

MARKS = (
    "speech_ended",
    "turn_decided",
    "transcribed",
    "asked_again",
    "first_text",
    "first_clause",
    "first_speech",
    "first_audio",
    "first_heard",
)
"""Milestones of a turn, in order. ``asked_again``: the model began with another's name.
``first_heard`` comes from the loudspeaker's reports."""


@frozen
class TurnTimed(Event):
    """A turn's waterfall so far; a later one of the same turn replaces it.

    *marks* are the times of milestones in ms after the earliest, in the order of :data:`MARKS`;
    those that did not happen are missing. *gaps* are the silences between one speaker and the next,
    in ms. *final*: the turn is over, *interrupted* or not; only ``first_heard`` may still come.
    """

    marks: tuple[tuple[str, float], ...]
    gaps: tuple[float, ...] = ()
    final: bool = True
    interrupted: bool = False
    began: float = 0.0
    """The moment of the earliest mark, in seconds of the bus clock."""

    urgent: ClassVar[bool] = True


@frozen
class ClauseTimed(LineEvent):
    """When the words of clause *index* are heard; a later one of the same clause replaces it.

    *words* are as they are read out, each with its time in ms from the clause's beginning, which is
    *at* ms from the line's.
    """

    index: int
    at: float
    words: tuple[tuple[str, float], ...] = field(repr=lambda words: f"<{len(words)} words>")

    urgent: ClassVar[bool] = True


@frozen
class ReplyUsage(LineEvent):
    """Tokens of a reply, and its cost in USD; None where unknown.

    *retries* counts the times that the model was asked again because it began as somebody else.
    Published once for a line at most, before ``ReplyFinished``; an interrupted reply has none.
    """

    model: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    cost: float | None = None
    retries: int = 0
