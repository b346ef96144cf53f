"""Wakes everybody who waits for something to change."""

from __future__ import annotations

import anyio


class ChangeSignal:
    """A condition without a lock, which a plain function can notify.

    Those who wait look again at what they wait for: ``while not done(): await changed.wait()``.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    def notify_all(self) -> None:
        """Wake all that wait now."""
        if self._next:
            self._next.set()
            self._next = None

    async def wait(self) -> None:
        """Wait for the next :meth:`notify_all`."""
        self._next = self._next or anyio.Event()
        await self._next.wait()
