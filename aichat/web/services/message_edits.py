"""Changes and deletes messages, for the API and the pages.

Clients in the conversation are sent the change at once, and models get the new text. One request
at a time changes a message, so that no change is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve

from aichat.core import Message, Parts
from aichat.toolkit.message_versions import chosen, edited
from aichat.web.realtime.rooms import Rooms

from .conversation_list import Listing
from .message_posts import Posted


@define(eq=False)
class MessageEdits:
    """Changes and deletes messages."""

    parts: Parts
    rooms: Rooms
    listing: Listing
    posted: Posted

    async def change(
        self,
        id: str,
        *,
        content: str | None = None,
        version: int | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> Message:
        """Change what is given; return the message. Raises NotFound, or BadValue for a version."""

        def changed(message: Message) -> Message:
            if extensions is not None:
                message = evolve(message, extensions=extensions)
            if version is not None:
                message = chosen(message, version)
            if content is not None and content != message.content:
                message = edited(message, content)
            return message

        async with self.posted.with_all([id]):
            while (message := await self._written(id, changed)) is None:
                pass  # its line has ended meanwhile: what it has become is changed
        return message

    async def _written(self, id: str, changed: Callable[[Message], Message]) -> Message | None:
        """Write a message as it is *changed*; None if it has become another meanwhile."""
        async with self.parts.writes.settled(id):
            before = await self.parts.storage.message(id)
            if (message := changed(before)) != before:
                await self.parts.storage.add_message(message)
            if self.parts.writes.is_pending(id):
                return None
            if message != before:
                self.rooms.message_changed(message)
            return message

    async def delete(self, id: str) -> Message:
        """Delete a message for good; return what it was. Raises NotFound."""
        async with self.posted.with_all([id]), self.parts.writes.settled(id):
            message = await self.parts.storage.message(id)
            await self.parts.storage.delete_message(id)
            self.parts.writes.discard(id)
            self.rooms.message_deleted(message)
            self.listing.forget(message.conversation_id)  # a deletion is no activity
        return message
