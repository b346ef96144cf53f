"""Work that is not finished yet, counted, and a way to wait for the last of it."""

from __future__ import annotations

import anyio


class Unfinished:
    """Counts pieces of work that were begun and have not ended."""

    def __init__(self) -> None:
        self.count = 0
        self._none: anyio.Event | None = None

    def begin(self) -> None:
        """One more."""
        self.count += 1

    def end(self) -> None:
        """One less; those who wait go on if it was the last."""
        self.count -= 1
        if not self.count and self._none:
            self._none.set()
            self._none = None

    async def over(self) -> None:
        """Wait until nothing is left."""
        while self.count:
            self._none = self._none or anyio.Event()
            await self._none.wait()
