"""Conversations whose deletion is pending: pages do not list them, and they can be restored."""

from __future__ import annotations

from functools import partial

from attrs import frozen
from jinja2 import Environment

from aichat.core import Parts
from aichat.web.html import fragments
from aichat.web.realtime.rooms import Rooms
from aichat.web.services.conversation_list import Listing

from .pending_deletions import PendingDeletions


@frozen
class DeletedConversations:
    """Deletes conversations after a delay, and restores them within it; every page shows both."""

    parts: Parts
    rooms: Rooms
    pending: PendingDeletions
    listing: Listing
    templates: Environment

    def __contains__(self, id: str) -> bool:
        """Return whether a conversation's deletion is pending."""
        return id in self.pending

    async def begin(self, id: str) -> None:
        """Delete a conversation after the delay, unless it is restored. Raises NotFound."""
        await self.parts.storage.conversation(id)
        self.pending.begin(id, partial(self._delete, id))
        self.rooms.show(fragments.partial(f"#talk-{id}", "delete", ""))

    async def restore(self, id: str) -> None:
        """Restore a conversation. Raises NotFound when it is too late."""
        self.pending.restore(id)
        entries = await self.listing.entries(self.parts.storage)
        place = next((at for at, one in enumerate(entries) if one.id == id), None)
        if place is None:
            return  # it has no messages
        template = self.templates.get_template("fragments/conversation.html")
        drawn = template.render(one=entries[place], conversation_id="")
        if place:
            where = (f"#talk-{entries[place - 1].id}", "afterend")
        elif len(entries) > 1:
            where = (f"#talk-{entries[1].id}", "beforebegin")
        else:
            where = ("#conversations", "innerHTML")
        self.rooms.show(fragments.partial(*where, drawn))

    async def _delete(self, id: str) -> None:
        await self.parts.storage.delete_conversation(id)
        self.rooms.dismiss(id)
