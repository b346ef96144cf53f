"""Characters that were deleted a moment ago: pages list them no more, and they can come back.

Until they are really gone the store has them, and the conversations that they are in keep them.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from attrs import define, field, frozen

from aichat.core import Character, Parts
from aichat.web.realtime.rooms import Rooms
from aichat.web.services.pending_deletions import PendingDeletions


@frozen
class PendingCharacterDeletion:
    """One that can be taken back, as its toast shows it. *notice* says what happened."""

    key: str
    notice: str
    address: str


@define(eq=False)
class DeletedCharacters:
    """Lets characters go, and takes them back."""

    parts: Parts
    rooms: Rooms
    pending: PendingDeletions
    names: dict[str, str] = field(factory=dict)
    """What those on their way out are called, by id."""

    def __contains__(self, id: str) -> bool:
        """Tell whether a character is on its way out."""
        return id in self.names

    def begin(self, who: Character) -> None:
        """Let a character go, unless it is taken back in time."""

        async def delete() -> None:
            self.names.pop(who.id, None)
            await self.parts.storage.delete_character(who.id)
            await self.rooms.character_changed(who.id)

        self.names[who.id] = who.name
        self.pending.begin(_key(who.id), delete)

    def restore(self, id: str) -> str:
        """Keep it after all; return its name. NotFound when it is too late."""
        self.pending.restore(_key(id))
        return self.names.pop(id)

    def remaining(self, characters: Iterable[Character]) -> list[Character]:
        """Leave out those that are on their way out."""
        return [who for who in characters if who.id not in self.names]

    def undos(self) -> list[PendingCharacterDeletion]:
        """Return what can be taken back."""
        return [
            PendingCharacterDeletion(
                id, f"{name} was deleted.", f"/characters/{quote(id, safe='')}/restore"
            )
            for id, name in self.names.items()
        ]


def _key(id: str) -> str:
    return f"character {id}"
