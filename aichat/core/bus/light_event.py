"""An event in a fraction of the calls: the bus makes one for every handler that it starts."""

from __future__ import annotations

from typing import Any

import anyio


class LightEvent:
    """What ``anyio.Event`` is, on asyncio, from the loop's own futures.

    Two differences: a wait for what has happened already does not yield, and it lives on one loop.
    """

    __slots__ = ("_has_happened", "_loop", "_waiters")

    def __init__(self, loop: Any) -> None:
        self._loop, self._has_happened = loop, False
        self._waiters: list[Any] = []

    def is_set(self) -> bool:
        """Return whether it has happened."""
        return self._has_happened

    def set(self) -> None:
        """It has happened: wake all that wait."""
        self._has_happened = True
        for waiter in self._waiters:
            if not waiter.done():  # else its task was cancelled
                waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until it has happened."""
        if self._has_happened:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)


def light_event() -> LightEvent | anyio.Event:
    """Make an event: a light one on asyncio, anyio's on other loops."""
    import asyncio  # slow to import, and there already where it runs

    try:
        return LightEvent(asyncio.get_running_loop())
    except RuntimeError:
        return anyio.Event()
