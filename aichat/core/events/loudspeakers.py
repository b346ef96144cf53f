"""Events from the clients' loudspeakers.

Import these events from :mod:`aichat.core.events`. A conversation may be played on several
loudspeakers, one for each client; each has its own position, and the furthest counts as heard.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from .base import Event, LineEvent


@frozen
class LinePlayed(LineEvent):
    """A client reports the position of its *loudspeaker* in a line.

    ``paused``: it paused there, because it heard speech; ``back``: it reconnected and resumes
    there.
    """

    played_ms: float
    state: Literal["playing", "paused", "back", "flushed", "done"] = "playing"
    loudspeaker: str = ""

    urgent: ClassVar[bool] = True


@frozen
class LoudspeakerLeft(Event):
    """A client disconnected while others stay: its position no longer counts."""

    loudspeaker: str

    urgent: ClassVar[bool] = True


@frozen
class PlaybackPaused(Event):
    """The loudspeakers paused: the user may be barging in, or no client is connected."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True


@frozen
class PlaybackResumed(Event):
    """The *cause* is over: the loudspeakers resume at the sample at which they paused."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True
