"""Characters whose deletion is pending: pages do not list them, and they can be restored.

Until the deletion is final the store has them, and they stay in their conversations.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from attrs import define, field, frozen

from aichat.core import Character, Parts
from aichat.web.realtime.rooms import Rooms

from .pending_deletions import PendingDeletions


@frozen
class PendingCharacterDeletion:
    """A deletion that can be undone; *notice* is the text of its toast."""

    key: str
    notice: str
    address: str


@define(eq=False)
class DeletedCharacters:
    """Deletes characters after a delay, and restores them within it."""

    parts: Parts
    rooms: Rooms
    pending: PendingDeletions
    names: dict[str, str] = field(factory=dict)
    """Names of the characters whose deletion is pending, by id."""

    def __contains__(self, id: str) -> bool:
        """Return whether a character's deletion is pending."""
        return id in self.names

    def begin(self, who: Character) -> None:
        """Delete a character after the delay, unless it is restored."""

        async def delete() -> None:
            self.names.pop(who.id, None)
            await self.parts.storage.delete_character(who.id)
            await self.rooms.character_changed(who.id)

        self.names[who.id] = who.name
        self.pending.begin(_key(who.id), delete)

    def restore(self, id: str) -> str:
        """Restore a character; return its name. Raises NotFound when it is too late."""
        self.pending.restore(_key(id))
        return self.names.pop(id)

    def remaining(self, characters: Iterable[Character]) -> list[Character]:
        """Return the characters whose deletion is not pending."""
        return [who for who in characters if who.id not in self.names]

    def undos(self) -> list[PendingCharacterDeletion]:
        """Return the deletions that can be undone."""
        return [
            PendingCharacterDeletion(
                id, f"{name} was deleted.", f"/characters/{quote(id, safe='')}/restore"
            )
            for id, name in self.names.items()
        ]


def _key(id: str) -> str:
    return f"character {id}"
