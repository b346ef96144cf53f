"""What the loudspeakers do.

Import these events from :mod:`aichat.core.events`. A conversation may sound from several
loudspeakers, one for each client; each has its own position, and the furthest counts as heard.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from .base import Event, LineEvent


@frozen
class LinePlayed(LineEvent):
    """A client says how far its *loudspeaker* has got in a line.

    ``paused``: it holds there, because it heard speech; ``back``: it was cut off and goes on there.
    """

    played_ms: float
    state: Literal["playing", "paused", "back", "flushed", "done"] = "playing"
    loudspeaker: str = ""

    urgent: ClassVar[bool] = True


@frozen
class LoudspeakerLeft(Event):
    """A client is gone while others stay: its position moves no more, and holds nobody back."""

    loudspeaker: str

    urgent: ClassVar[bool] = True


@frozen
class PlaybackPaused(Event):
    """The loudspeakers hold their position: somebody may be breaking in, or nobody is there."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True


@frozen
class PlaybackResumed(Event):
    """The *cause* is gone: the loudspeakers go on with the sample at which they stopped."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True
