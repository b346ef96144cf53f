"""The list of conversations: the cast of each, and its last message.

Conversations that are deleted while the list is read are left out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import anyio
from attrs import define, field, frozen

from aichat.core import Character, Conversation, NotFound, Storage
from aichat.toolkit.bounded_dict import BoundedDict
from aichat.web.html.fragments import last_line
from aichat.web.realtime.hidden_messages import HiddenMessages

LISTED = 30
"""Most conversations in the list."""
SEARCHED = 200
"""Most conversations whose titles are searched, and most messages that a search returns."""
REMEMBERED = 1_000
FACES = 3
NEVER = datetime.min.replace(tzinfo=UTC)


@frozen
class Entry:
    """One conversation in the list."""

    id: str
    title: str
    time: str
    cast: Sequence[Character]
    last: str


@define(eq=False)
class Listing:
    """Reads the list; last messages are cached until a conversation has new activity."""

    pending: Container[str]
    """Conversations that are not listed: their deletion is pending."""
    hidden: HiddenMessages
    lasts: BoundedDict[str, tuple[datetime, str]] = field(factory=lambda: BoundedDict(REMEMBERED))
    forgotten: int = 0
    """Number of changes without new activity, to detect one during a read."""

    async def entries(self, storage: Storage, query: str = "") -> list[Entry]:
        """Return the conversations that have messages, newest activity first.

        With a *query*: those whose title or messages contain it.
        """
        found = await storage.conversations(SEARCHED if query else LISTED)
        if query:
            found = await self._matching(storage, found, query)
        # every visit opens a conversation; those without messages have no title
        shown = [one for one in found if one.title and one.conversation_id not in self.pending]
        characters = {who.id: who for who in await storage.characters()}
        here = await self._read_lasts(storage, shown[:LISTED])
        return [self._entry(one, characters) for one in here]

    def forget(self, id: str) -> None:
        """Drop a cached last message, which was changed without new activity."""
        self.lasts.pop(id, None)
        self.forgotten += 1

    async def _matching(
        self, storage: Storage, listed: Iterable[Conversation], query: str
    ) -> list[Conversation]:
        known = {one.conversation_id: one for one in listed}
        said = {m.conversation_id for m in await storage.search_messages(query, SEARCHED)}
        for id in said - known.keys():
            with suppress(NotFound):
                known[id] = await storage.conversation(id)
        words = query.casefold()
        hits = [
            one
            for one in known.values()
            if one.conversation_id in said or words in (one.title or "").casefold()
        ]
        return sorted(hits, key=lambda one: one.updated_at, reverse=True)

    async def _read_lasts(
        self, storage: Storage, shown: Sequence[Conversation]
    ) -> list[Conversation]:
        """Read last messages that are not cached; return the conversations that still exist."""
        gone: set[str] = set()

        async def read(one: Conversation) -> None:
            try:
                said = await self.hidden.recent(storage, one.conversation_id, 1)
            except NotFound:
                gone.add(one.conversation_id)
                return
            last = last_line(said[-1]) if said else ""
            # what was changed during the read is read again next time
            is_sure = self.forgotten == before
            self.lasts[one.conversation_id] = (one.updated_at if is_sure else NEVER, last)

        before = self.forgotten
        async with anyio.create_task_group() as tasks:
            for one in shown:
                if self.lasts.get(one.conversation_id, (None,))[0] != one.updated_at:
                    tasks.start_soon(read, one)
        return [one for one in shown if one.conversation_id not in gone]

    def _entry(self, one: Conversation, characters: Mapping[str, Character]) -> Entry:
        cast = [characters[id] for id in one.active_characters if id in characters]
        _, last = self.lasts.get(one.conversation_id, (None, ""))
        time = one.updated_at.isoformat()
        return Entry(one.conversation_id, one.title or "", time, cast[:FACES], last)
