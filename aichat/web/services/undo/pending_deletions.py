"""Deletions that wait for a while, during which they can be undone.

The caller hides the thing meanwhile. What is pending when the server stops is deleted then; after a
crash within these seconds it is there again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from aichat.core import AichatError, NotFound

UNDO_SECONDS = 15.0
"""Seconds in which a deletion can be undone."""

Delete = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


@define(eq=False)
class PendingDeletions:
    """Deletes things after :data:`UNDO_SECONDS` unless they are restored; each has a key."""

    tasks: TaskGroup
    pending: dict[str, tuple[anyio.CancelScope, Delete]] = field(factory=dict)

    def __contains__(self, key: object) -> bool:
        """Return whether the deletion of *key* is pending."""
        return key in self.pending

    def begin(self, key: str, delete: Delete) -> None:
        """Call *delete* after the delay, unless *key* is restored before."""
        if key not in self.pending:
            scope = anyio.CancelScope()
            self.pending[key] = (scope, delete)
            self.tasks.start_soon(self._delete_later, key, scope, delete)

    def restore(self, key: str) -> Delete:
        """Cancel a deletion; return what would have deleted it. Raises NotFound when too late."""
        if key not in self.pending:
            raise NotFound("That cannot be undone any more.", "It is deleted, or restored already.")
        scope, delete = self.pending.pop(key)
        scope.cancel()
        return delete

    async def purge(self) -> None:
        """Delete everything pending now, as the server stops."""
        for key in list(self.pending):
            with suppress(NotFound):
                await _done(self.restore(key))

    async def _delete_later(self, key: str, scope: anyio.CancelScope, delete: Delete) -> None:
        with scope:
            await anyio.sleep(UNDO_SECONDS)
            if self.pending.get(key, (None, delete))[0] is not scope:
                return  # it was restored at the very moment
            del self.pending[key]
            await _done(delete)


async def _done(delete: Delete) -> None:
    try:
        await delete()
    except NotFound:
        return  # it was deleted already
    except AichatError as error:
        log.warning("Something could not be deleted, and is shown again: %s", error)
    except Exception:  # an unknown error of a store must not end the server
        log.exception("Something could not be deleted, and is shown again")
