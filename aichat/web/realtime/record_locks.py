"""Locks by record id: one request at a time changes a record, so that no change is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import anyio
from attrs import define, field


@define(eq=False)
class RecordLocks:
    """A lock for each record that is being changed, in this process."""

    locks: WeakValueDictionary[str, anyio.Lock] = field(factory=WeakValueDictionary)

    @asynccontextmanager
    async def with_all(self, ids: Iterable[str]) -> AsyncIterator[None]:
        """Hold the lock of each id; they are taken in sorted order, against deadlocks."""
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
