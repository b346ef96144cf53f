"""The Storage protocol on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import anyio.to_thread

from aichat.core import Character, Conflict, Conversation, Message, Voice

from .engine import Worker, read, write
from .records import CHARACTERS, CONVERSATIONS, MESSAGES, VOICES, iso, missing
from .schema import locate, open_both

MANY = 2**31


class Sqlite:
    """One SQLite file. *path* is by default ``aichat.db`` in ``$AICHAT_DATA``, or your data folder.

    A write returns once it is on the disk: neither a crash nor a power cut takes it back.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path

    async def __aenter__(self) -> Sqlite:
        writer, reader = await anyio.to_thread.run_sync(lambda: open_both(locate(self.path)))
        self.writer = Worker("writer", writer, write)
        self.reader = Worker("reader", reader, read)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.writer.stop)
            stack.push_async_callback(self.reader.stop)

    # -- characters and voices ---------------------------------------------------------------

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        rest = "where ?1 is null or is_active = ?1 order by created_at, rowid"
        return await self.reader.do(lambda c: CHARACTERS.select(c, rest, active))

    async def character(self, id: str) -> Character:
        return await self.reader.do(lambda c: CHARACTERS.find(c, id))

    async def add_character(self, character: Character) -> None:
        await self.writer.do(lambda c: _add_character(c, character))

    async def voice(self, key: str) -> Voice:
        return await self.reader.do(lambda c: VOICES.find(c, key))

    async def add_voice(self, voice: Voice) -> None:
        await self.writer.do(lambda c: VOICES.put(c, voice))

    # -- conversations -----------------------------------------------------------------------

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        rest = "order by updated_at desc, rowid desc limit ? offset ?"
        page = _bounded(limit), _bounded(offset)
        return await self.reader.do(lambda c: CONVERSATIONS.select(c, rest, *page))

    async def conversation(self, id: str) -> Conversation:
        return await self.reader.do(lambda c: CONVERSATIONS.find(c, id))

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        return await self.reader.do(lambda c: _cast(c, id))

    async def add_conversation(self, conversation: Conversation) -> None:
        await self.writer.do(lambda c: _add_conversation(c, conversation))

    async def delete_conversation(self, id: str) -> None:
        await self.writer.do(lambda c: _delete_conversation(c, id))

    # -- messages ----------------------------------------------------------------------------

    async def add_message(self, message: Message) -> None:
        await self.writer.do(lambda c: _add_message(c, message))

    async def recent_messages(self, conversation: str, n: int = 50) -> Sequence[Message]:
        return await self.reader.do(lambda c: _recent(c, conversation, _bounded(n)))


def _add_character(connection: sqlite3.Connection, character: Character) -> None:
    if character.voice is not None:
        VOICES.find(connection, character.voice)
    CHARACTERS.put(connection, character)


def _cast(connection: sqlite3.Connection, id: str) -> tuple[Conversation, Sequence[Character]]:
    conversation = CONVERSATIONS.find(connection, id)
    return conversation, [CHARACTERS.find(connection, c) for c in conversation.active_characters]


def _add_conversation(connection: sqlite3.Connection, conversation: Conversation) -> None:
    for id in conversation.active_characters:
        if not _exists(connection, "select 1 from characters where id = ?", id):
            raise missing("character", id)
    CONVERSATIONS.put(connection, conversation)


def _delete_conversation(connection: sqlite3.Connection, id: str) -> None:
    gone = connection.execute("delete from conversations where conversation_id = ?", (id,))
    if not gone.rowcount:
        raise missing("conversation", id)


def _add_message(connection: sqlite3.Connection, message: Message) -> None:
    _require_conversation(connection, message.conversation_id)
    place = "select 1 from messages where message_id = ? and conversation_id <> ?"
    if _exists(connection, place, message.message_id, message.conversation_id):
        raise Conflict(
            f"Message {message.message_id!r} is in another conversation.", "Make a new id."
        )
    MESSAGES.put(connection, message)
    connection.execute(
        "update conversations set updated_at = ?, title = coalesce(title, ?) "
        "where conversation_id = ?",
        (_newest(connection), message.title, message.conversation_id),
    )


def _recent(connection: sqlite3.Connection, conversation: str, n: int) -> list[Message]:
    newest_first = "where conversation_id = ? order by seq desc limit ?"
    messages = MESSAGES.select(connection, newest_first, conversation, n)
    if not messages:
        _require_conversation(connection, conversation)
    return messages[::-1]


def _require_conversation(connection: sqlite3.Connection, id: str) -> None:
    if not _exists(connection, "select 1 from conversations where conversation_id = ?", id):
        raise missing("conversation", id)


def _exists(connection: sqlite3.Connection, query: str, *values: object) -> bool:
    return connection.execute(query, values).fetchone() is not None


def _newest(connection: sqlite3.Connection) -> str:
    """Return now, or just after the newest activity when the clock stands still or went back."""
    (latest,) = connection.execute("select max(updated_at) from conversations").fetchone()
    now = iso(datetime.now(UTC))
    if now > latest:
        return now
    return iso(datetime.fromisoformat(latest) + timedelta(microseconds=1))


def _bounded(number: int) -> int:
    """Keep a count where SQLite can take it; below zero it would mean "no limit"."""
    return max(0, min(number, MANY))
