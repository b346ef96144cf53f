"""Events from synthesised speech to the end of playback.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from attrs import field, frozen

from .base import Event, LineEvent, size


@frozen
class SpokenWord:
    """A word's time: characters ``start:end`` of the clause's text, from sample *at* (24 kHz)."""

    start: int
    end: int
    at: int


@frozen
class SpeechSynthesized(LineEvent):
    """The voice produced some 24 kHz audio for clause *index*; *last* closes the clause.

    *words* are those that begin in this chunk; their *at* counts from the start of the clause.
    """

    index: int
    pcm: bytes = field(repr=size)
    last: bool = False
    words: tuple[SpokenWord, ...] = ()


@frozen
class AudioReady(LineEvent):
    """The next 24 kHz audio to play. It begins at sample *at* of clause *index*.

    *due* is when it should be heard, in seconds of the bus clock, if the loudspeaker keeps up. The
    *last* of a line holds no samples: all of the line has been sent.
    """

    index: int
    pcm: bytes = field(repr=size)
    at: int = 0
    due: float = 0.0
    last: bool = False


@frozen
class LineFinished(LineEvent):
    """The line is over: all of it was sent and should have been heard by now."""


@frozen
class TurnFinished(Event):
    """Every line is over."""
