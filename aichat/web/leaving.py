"""Conversations that were deleted a moment ago: they can be taken back until they are really gone.

They are in no list and their page says so. What is still here when the server stops is deleted
then; after a crash within these seconds it is there again.
"""

from __future__ import annotations

import logging
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from aichat.core import AichatError, NotFound, Parts

from .rooms import Rooms

UNDO_SECONDS = 15.0
"""So long a deletion can be taken back."""

log = logging.getLogger(__name__)


@define(eq=False)
class Leaving:
    """Deletes conversations a while after they were asked to go."""

    parts: Parts
    rooms: Rooms
    tasks: TaskGroup
    going: dict[str, anyio.CancelScope] = field(factory=dict)

    def __contains__(self, id: str) -> bool:
        """Tell whether a conversation is on its way out."""
        return id in self.going

    def begin(self, id: str) -> None:
        """Let a conversation go, unless it is taken back in time."""
        if id not in self.going:
            scope = self.going[id] = anyio.CancelScope()
            self.tasks.start_soon(self._delete_later, id, scope)

    def take_back(self, id: str) -> None:
        """Keep it after all. Raises NotFound when it is too late."""
        if (scope := self.going.pop(id, None)) is None:
            raise NotFound("That cannot be taken back any more.", "Begin a new conversation.")
        scope.cancel()

    async def finish(self) -> None:
        """The server stops: nobody can take anything back."""
        for id in list(self.going):
            with suppress(NotFound):
                self.take_back(id)
                await self._delete(id)

    async def _delete_later(self, id: str, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(UNDO_SECONDS)
            self.going.pop(id, None)
            await self._delete(id)

    async def _delete(self, id: str) -> None:
        try:
            await self.parts.storage.delete_conversation(id)
        except NotFound:
            return  # somebody else was quicker
        except AichatError as error:
            log.warning("A conversation could not be deleted, and is there again: %s", error)
            return
        self.rooms.dismiss(id)
