"""Time, injected: tests run whole conversations on a virtual clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import anyio


class Clock:
    """The running event loop's clock. On a virtual loop, time is virtual here as well.

    Make one inside the loop: the loop's clock is looked up once, because it is read often.
    """

    def __init__(self) -> None:
        import asyncio  # slow to import, and there already where it runs

        self.now: Callable[[], float] = anyio.current_time
        """Returns seconds of the loop's monotonic clock: for measuring and for deadlines."""
        with suppress(RuntimeError):  # another loop than asyncio's: anyio finds it each time
            self.now = asyncio.get_running_loop().time

    def wall(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)
