"""How long one user's own pauses are: slow speakers are not cut off, quick ones do not wait."""

from __future__ import annotations

from collections import deque

from attrs import define, field

KEPT = 20
"""So many of the latest pauses count."""
NEEDED = 4
"""With fewer, nothing is known yet."""
SHORTEST_MS, LONGEST_MS = 100, 3_000
"""A shorter gap is part of a word; a longer one says nothing about the rhythm."""
QUANTILE = 0.9
MARGIN = 1.25


@define
class PauseStats:
    """A running quantile."""

    pauses: deque[int] = field(factory=lambda: deque(maxlen=KEPT))

    def note(self, pause_ms: int) -> None:
        """The user paused so long, and went on."""
        if SHORTEST_MS <= pause_ms <= LONGEST_MS:
            self.pauses.append(pause_ms)

    @property
    def usual_ms(self) -> int:
        """After so long a silence this user does not go on, as a rule; 0 while it is not known."""
        if len(self.pauses) < NEEDED:
            return 0
        ordered = sorted(self.pauses)
        return round(MARGIN * ordered[int(QUANTILE * (len(ordered) - 1) + 0.5)])
