"""How long one user's own pauses are: slow speakers are not cut off, quick ones do not wait."""

from __future__ import annotations

from collections import deque

from attrs import define, field

WINDOW = 20
"""Latest pauses that count."""
MIN_PAUSES = 4
"""Pauses needed before anything is known."""
SHORTEST_MS, LONGEST_MS = 100, 3_000
"""Bounds of a pause in ms: a shorter gap is part of a word; a longer one is no habit."""
QUANTILE = 0.9
MARGIN = 1.25


@define
class PauseStats:
    """A running quantile of the user's pauses."""

    pauses: deque[int] = field(factory=lambda: deque(maxlen=WINDOW))

    def add(self, pause_ms: int) -> None:
        """Note a pause after which the user went on."""
        if SHORTEST_MS <= pause_ms <= LONGEST_MS:
            self.pauses.append(pause_ms)

    @property
    def usual_ms(self) -> int:
        """Silence (ms) after which this user rarely goes on; 0 while it is not known."""
        if len(self.pauses) < MIN_PAUSES:
            return 0
        ordered = sorted(self.pauses)
        return round(MARGIN * ordered[int(QUANTILE * (len(ordered) - 1) + 0.5)])
