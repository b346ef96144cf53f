"""Running imports: the progress of each, and a way to cancel it.

The page names its import in the address (``?job=…``), so that other requests can ask about it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio
from attrs import define, field

from aichat.core import BadValue, NotFound
from aichat.core.bus.change_signal import ChangeSignal

MOST = 8
"""Most imports at once."""
LONGEST_NAME = 64
"""Most characters of a job's name."""


@define(eq=False)
class Import:
    """One import, from the first byte of its upload on."""

    name: str
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    done: int = 0
    total: int = 0
    """Number of records; 0 while the file is still being checked."""
    is_over: bool = False
    moved: ChangeSignal = field(factory=ChangeSignal)

    def report(self, done: int, total: int) -> None:
        """Report that *done* of *total* records were imported."""
        self.done, self.total = done, total
        self.moved.notify_all()

    def end(self) -> None:
        """Mark it as over, however it ended."""
        self.is_over = True
        self.moved.notify_all()


@define(eq=False)
class Imports:
    """The running imports, by name."""

    going: dict[str, Import] = field(factory=dict)

    @contextmanager
    def begun(self, name: str) -> Iterator[Import]:
        """Register an import within the ``with`` block. Raises BadValue when there are too many."""
        if name in self.going or len(self.going) >= MOST or len(name) > LONGEST_NAME:
            raise BadValue("Too many imports go on at once.", "Try again in a moment.", "job")
        made = self.going[name] = Import(name)
        try:
            yield made
        finally:
            del self.going[name]
            made.end()

    def one(self, name: str) -> Import:
        """Return a running import. Raises NotFound."""
        if name not in self.going:
            raise NotFound("This import is over.", "Look at what came in.")
        return self.going[name]

    async def progress(self, name: str) -> AsyncIterator[str]:
        """Yield lines "DONE TOTAL" until the import is over; a slow reader skips some."""
        one = self.going.get(name)
        while one and not one.is_over:
            shown = one.done, one.total
            yield f"{one.done} {one.total}\n"
            if not one.is_over and shown == (one.done, one.total):  # nothing came meanwhile
                await one.moved.wait()
