"""Time, injected: tests run whole conversations on a virtual clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio


class Clock:
    """The running event loop's clock. On a virtual loop, time is virtual here as well.

    Make one inside the loop: the loop's clock is looked up once, because it is read often.
    """

    def __init__(self) -> None:
        import asyncio  # slow to import, and there already where it runs

        self._time: Callable[[], float] = anyio.current_time
        try:
            self._time = asyncio.get_running_loop().time
        except RuntimeError:  # another loop than asyncio's: anyio finds it each time
            return

    def now(self) -> float:
        """Return seconds of the loop's monotonic clock: for measuring and for deadlines."""
        return self._time()

    def wall(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)
