"""One request at a time changes a record, so that nobody writes back what another has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import anyio
from attrs import define, field


@define(eq=False)
class RecordLocks:
    """The ids of what is being changed now, in this process."""

    locks: WeakValueDictionary[str, anyio.Lock] = field(factory=WeakValueDictionary)

    @asynccontextmanager
    async def with_all(self, ids: Iterable[str]) -> AsyncIterator[None]:
        """Hold the lock of each id; in one order everywhere, so that nobody waits in a circle."""
        held = [self.locks.setdefault(id, anyio.Lock()) for id in sorted(set(ids))]
        taken: list[anyio.Lock] = []
        try:
            for lock in held:
                await lock.acquire()
                taken.append(lock)
            yield
        finally:
            for lock in taken:
                lock.release()
