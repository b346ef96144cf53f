"""Who writes a message now, and what of it still waits for the store: a change comes after both.

The stage that stores what is said writes a message again and again while its line goes on. Whoever
reads a message, changes it and writes it back does so within :meth:`MessageWrites.settled`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from weakref import WeakValueDictionary

import anyio
from attrs import define, field


class PendingWrites(Protocol):
    """Messages on their way to the store."""

    def is_pending(self, message_id: str) -> bool:
        """Tell whether what a message has become in the end is yet to be written."""
        ...

    async def flush(self, message_id: str) -> None:
        """Wait until a message is written, if it waits. Raises Unreachable if the store refuses."""
        ...

    def discard(self, message_id: str) -> None:
        """Write nothing more of a message: it is gone."""
        ...


@define(eq=False)
class MessageWrites:
    """The messages that are being written in this process."""

    pending: list[PendingWrites] = field(factory=list)
    locks: WeakValueDictionary[str, anyio.Lock] = field(factory=WeakValueDictionary)

    def alone(self, message_id: str) -> anyio.Lock:
        """Return the lock of a message: who has it writes the message, and nobody else."""
        return self.locks.setdefault(message_id, anyio.Lock())

    def is_pending(self, message_id: str) -> bool:
        """Tell whether what a message has become in the end is yet to be written."""
        return any(one.is_pending(message_id) for one in self.pending)

    def discard(self, message_id: str) -> None:
        """Write nothing more of a message: it is gone."""
        for one in self.pending:
            one.discard(message_id)

    @asynccontextmanager
    async def settled(self, *message_ids: str) -> AsyncIterator[None]:
        """Be alone with messages that the store has as they are now.

        What becomes of their lines meanwhile waits (:meth:`is_pending`) until the block ends.
        """
        ids = sorted(set(message_ids))
        while True:
            for one in self.pending:
                for id in ids:
                    await one.flush(id)
            async with AsyncExitStack() as held:
                for id in ids:  # in one order for all, against deadlocks
                    await held.enter_async_context(self.alone(id))
                if not any(self.is_pending(id) for id in ids):
                    yield
                    return
