"""The Storage protocol as calls of the SQL functions of the same names."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from aichat.core import Character, Conversation, FieldChanges, Message, Voice, require_json, slug
from aichat.core.store_rules import changed, clip_key, numbered
from aichat.toolkit.seed import READY_CHARACTERS, READY_VOICES

from .records import fields, plain, record, searchable

MANY = 2**31 - 1
"""The largest count that the functions take."""


class Calls(ABC):
    """The Storage protocol. A subclass brings :meth:`send`, the way to the database."""

    _revision = 0
    """Of the newest write of a message."""

    @abstractmethod
    async def send(self, function: str, arguments: dict[str, Any]) -> Any:
        """Call a function with plain JSON values; return what it returns."""

    async def call(self, function: str, **arguments: Any) -> Any:
        """Call a function; the names of its parameters begin with ``p_``."""
        return await self.send(function, {f"p_{k}": plain(v) for k, v in arguments.items()})

    async def open_store(self) -> None:
        """Bring the ready-made characters to an owner who has never had any, and sweep up."""
        voices, characters = map(fields, READY_VOICES), map(_entry, READY_CHARACTERS)
        await self.call("open_store", voices=list(voices), characters=list(characters))

    # -- characters --------------------------------------------------------------------------

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        return [record(Character, row) for row in await self.call("characters", active=active)]

    async def character(self, id: str) -> Character:
        return record(Character, await self.call("character", id=id))

    async def add_character(self, character: Character) -> Character:
        return record(Character, await self.call("add_character", character=_entry(character)))

    async def change_character(self, id: str, changes: FieldChanges) -> Character:
        given = _checked(Character("x", "x"), changes)
        return record(Character, await self.call("change_character", id=id, changes=given))

    async def delete_character(self, id: str) -> None:
        await self.call("delete_character", id=id)

    # -- voices and their clips --------------------------------------------------------------

    async def voices(self) -> Sequence[Voice]:
        return [record(Voice, row) for row in await self.call("voices")]

    async def voice(self, key: str) -> Voice:
        return record(Voice, await self.call("voice", key=key))

    async def add_voice(self, voice: Voice) -> Voice:
        return record(Voice, await self.call("add_voice", voice=fields(voice)))

    async def change_voice(self, key: str, changes: FieldChanges) -> Voice:
        given = _checked(Voice("x"), changes)
        return record(Voice, await self.call("change_voice", key=key, changes=given))

    async def delete_voice(self, key: str) -> None:
        await self.call("delete_voice", key=key)

    async def add_clip(self, data: bytes, extension: str) -> str:
        clip_key(b"", extension)  # refuses what is no extension
        text = b64encode(data).decode()
        return str(await self.call("add_clip", data=text, extension=extension))

    async def clip(self, key: str) -> bytes:
        return b64decode(await self.call("clip", key=key))

    # -- conversations -----------------------------------------------------------------------

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        rows = await self.call("conversations", limit=_count(limit), offset=_count(offset))
        return [record(Conversation, row) for row in rows]

    async def conversation(self, id: str) -> Conversation:
        return record(Conversation, await self.call("conversation", id=id))

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        found = await self.call("cast", id=id)
        characters = [record(Character, row) for row in found["characters"]]
        return record(Conversation, found["conversation"]), characters

    async def add_conversation(self, conversation: Conversation) -> Conversation:
        given = fields(conversation)
        return record(Conversation, await self.call("add_conversation", conversation=given))

    async def change_conversation(self, id: str, changes: FieldChanges) -> Conversation:
        given = _checked(Conversation("x"), changes)
        return record(Conversation, await self.call("change_conversation", id=id, changes=given))

    async def adjust_conversation(
        self, id: str, settings: Mapping[str, Any], changes: FieldChanges
    ) -> Conversation:
        require_json("settings", settings)
        given = _checked(Conversation("x"), changes)
        row = await self.call("adjust_conversation", id=id, settings=dict(settings), changes=given)
        return record(Conversation, row)

    async def join_conversation(self, id: str, character: str) -> Conversation:
        row = await self.call("join_conversation", id=id, character=character)
        return record(Conversation, row)

    async def leave_conversation(self, id: str, character: str) -> Conversation:
        row = await self.call("leave_conversation", id=id, character=character)
        return record(Conversation, row)

    async def delete_conversation(self, id: str) -> None:
        await self.call("delete_conversation", id=id)

    # -- messages ----------------------------------------------------------------------------

    async def add_message(self, message: Message) -> None:
        await self.add_messages([message])

    async def add_messages(self, messages: Sequence[Message]) -> None:
        given = [
            {
                **fields(message),
                "title": message.title,
                "words": searchable(message.content),
                "revision": self._next_revision(),
            }
            for message in messages
        ]
        await self.call("add_messages", messages=given)

    def _next_revision(self) -> int:
        """Number a write, so that the database ignores one that comes after a newer one.

        Microseconds since 1970, each larger than the last.
        """
        self._revision = max(self._revision + 1, time.time_ns() // 1000)
        return self._revision

    async def message(self, id: str) -> Message:
        return record(Message, await self.call("message", id=id))

    async def delete_message(self, id: str) -> None:
        await self.call("delete_message", id=id)

    async def messages(
        self, conversation: str, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> Sequence[Message]:
        rows = await self.call(
            "messages",
            conversation=conversation, limit=_count(limit), offset=_count(offset), after=after,
        )  # fmt: skip
        return [record(Message, row) for row in rows]

    async def recent_messages(
        self, conversation: str, n: int = 50, before: str | None = None
    ) -> Sequence[Message]:
        rows = await self.call(
            "recent_messages", conversation=conversation, n=_count(n), before=before
        )
        return [record(Message, row) for row in rows]

    async def search_messages(
        self, query: str, limit: int = 50, offset: int = 0
    ) -> Sequence[Message]:
        if not (wanted := searchable(query)):
            return []
        rows = await self.call(
            "search_messages", words=wanted, limit=_count(limit), offset=_count(offset)
        )
        return [record(Message, row) for row in rows]

    # -- settings ----------------------------------------------------------------------------

    async def settings(self) -> Mapping[str, Any]:
        return dict(await self.call("settings"))

    async def change_settings(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        require_json("settings", changes)
        return dict(await self.call("change_settings", changes=changes))


def _entry(character: Character) -> dict[str, Any]:
    """Return a character with what its id is made of: a slug and, if it has an id, a number."""
    split = numbered(character.id) if character.id else (slug(character.name), None)
    base, number = split or (None, None)
    return {**fields(character), "slug": base, "number": number}


def _checked(blank: attrs.AttrsInstance, changes: FieldChanges) -> dict[str, Any]:
    """Return *changes* by the rules of the record, which *blank* keeps with any field changed."""
    after = fields(changed(blank, changes))
    return {name: after[name] for name in changes}


def _count(number: int) -> int:
    return max(0, min(number, MANY))
