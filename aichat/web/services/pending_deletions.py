"""What was deleted a moment ago: it can be taken back until it is really gone.

Whoever asked hides it meanwhile. What is still here when the server stops is deleted then; after a
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
"""So long a deletion can be taken back."""

Delete = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


@define(eq=False)
class PendingDeletions:
    """Deletes things a while after they were asked to go; each has a key."""

    tasks: TaskGroup
    pending: dict[str, tuple[anyio.CancelScope, Delete]] = field(factory=dict)

    def __contains__(self, key: str) -> bool:
        """Tell whether it is on its way out."""
        return key in self.pending

    def begin(self, key: str, delete: Delete) -> None:
        """Let it go, by *delete*, unless it is taken back in time."""
        if key not in self.pending:
            scope = anyio.CancelScope()
            self.pending[key] = (scope, delete)
            self.tasks.start_soon(self._delete_later, key, scope, delete)

    def restore(self, key: str) -> Delete:
        """Keep it after all; return what would have deleted it. NotFound when it is too late."""
        if key not in self.pending:
            raise NotFound("That cannot be taken back any more.", "It is gone, or back already.")
        scope, delete = self.pending.pop(key)
        scope.cancel()
        return delete

    async def purge(self) -> None:
        """The server stops: nobody can take anything back."""
        for key in list(self.pending):
            with suppress(NotFound):
                await _done(self.restore(key))

    async def _delete_later(self, key: str, scope: anyio.CancelScope, delete: Delete) -> None:
        with scope:
            await anyio.sleep(UNDO_SECONDS)
            if self.pending.get(key, (None, delete))[0] is not scope:
                return  # it was taken back at the very moment
            del self.pending[key]
            await _done(delete)


async def _done(delete: Delete) -> None:
    try:
        await delete()
    except NotFound:
        return  # somebody else was quicker
    except AichatError as error:
        log.warning("Something could not be deleted, and is there again: %s", error)
    except Exception:  # what a store may raise must not end the server
        log.exception("Something could not be deleted, and is there again")
