"""Counts unfinished work, and waits until there is none."""

from __future__ import annotations

from .change_signal import ChangeSignal


class Unfinished:
    """Pieces of work that were begun and have not ended."""

    def __init__(self) -> None:
        self.count = 0
        self._none = ChangeSignal()

    def begin(self) -> None:
        """Count one more."""
        self.count += 1

    def end(self) -> None:
        """Count one less; if it was the last, waiting tasks go on."""
        self.count -= 1
        if not self.count:
            self._none.notify_all()

    async def over(self) -> None:
        """Wait until nothing is left."""
        while self.count:
            await self._none.wait()
