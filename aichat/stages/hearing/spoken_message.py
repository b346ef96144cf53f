"""The user's latest spoken message, and when its answer is heard."""

from __future__ import annotations

import math

from attrs import define, field

from aichat.core.events import LinePlayed, UserSaid


@define(eq=False)
class SpokenMessage:
    """A spoken message, and the moment from which its answer is heard."""

    said: UserSaid
    sounds_at: float = math.inf
    """When the first of the answer is heard, in seconds of the bus clock."""
    holds: set[str] = field(factory=set)
    """Why the loudspeakers hold their position;"""
    held_at: float = 0.0
    """since when."""
    is_played: bool = False
    """Some loudspeaker has reported that it plays the answer."""
    is_closed: bool = False
    """Nothing joins it any more, heard or not."""

    def hold(self, cause: str, now: float) -> None:
        """Time stands still for the loudspeakers."""
        if not self.holds:
            self.held_at = now
        self.holds.add(cause)

    def resume(self, cause: str, now: float) -> None:
        """What had not been heard is heard later by the hold."""
        if cause not in self.holds:
            return
        self.holds.discard(cause)
        if not self.holds and self.sounds_at >= self.held_at:
            self.sounds_at += now - self.held_at

    def note_position(self, event: LinePlayed, now: float) -> None:
        """Take in that a loudspeaker plays the answer, or held before it had begun to sound."""
        self.is_played = self.is_played or event.played_ms > 0
        if event.state == "paused" and not (self.is_played or event.line.place):
            self.sounds_at = max(self.sounds_at, now)

    def is_heard(self, now: float) -> bool:
        """Return whether any of the answer has been heard by *now*."""
        return self.sounds_at < (self.held_at if self.holds else now)
