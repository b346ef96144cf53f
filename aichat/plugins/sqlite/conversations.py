"""Conversations, messages and settings: jobs for the threads of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Any

from attrs import evolve

from aichat.core import Character, Conversation, FieldChanges, Message
from aichat.core.store_rules import absent, changed, elsewhere, merged, missing, words

from .records import CHARACTERS, CONVERSATIONS, MANY, MESSAGES, bounded, iso, to_json

# -- conversations -------------------------------------------------------------------------------


def conversations(connection: Connection, limit: int, offset: int) -> Sequence[Conversation]:
    """Return a page, newest activity first."""
    rest = "order by updated_at desc, rowid desc limit ? offset ?"
    return CONVERSATIONS.select(connection, rest, bounded(limit), bounded(offset))


def cast(connection: Connection, id: str) -> tuple[Conversation, Sequence[Character]]:
    """Return a conversation and its characters."""
    conversation = CONVERSATIONS.find(connection, id)
    return conversation, [CHARACTERS.find(connection, c) for c in conversation.active_characters]


def add_conversation(connection: Connection, conversation: Conversation) -> Conversation:
    """Add a conversation whose characters are there."""
    _require_cast(connection, conversation)
    return CONVERSATIONS.add(connection, conversation)


def change_conversation(connection: Connection, id: str, changes: FieldChanges) -> Conversation:
    """Change fields of a conversation."""
    conversation = changed(CONVERSATIONS.find(connection, id), changes)
    _require_cast(connection, conversation)
    return _touch(connection, conversation)


def adjust_conversation(
    connection: Connection, id: str, settings: Mapping[str, Any], changes: FieldChanges
) -> Conversation:
    """Set some of its settings, and change fields."""
    before = CONVERSATIONS.find(connection, id)
    both = {**changes, "settings": merged(before.settings, settings)}
    return change_conversation(connection, id, both)


def join(connection: Connection, id: str, character: str) -> Conversation:
    """Put a character at the end of the cast."""
    conversation = CONVERSATIONS.find(connection, id)
    CHARACTERS.require(connection, character)
    if character in conversation.active_characters:
        return conversation
    grown = [*conversation.active_characters, character]
    return _touch(connection, evolve(conversation, active_characters=grown))


def leave(connection: Connection, id: str, character: str) -> Conversation:
    """Take a character out of the cast."""
    conversation = CONVERSATIONS.find(connection, id)
    if character not in conversation.active_characters:
        raise absent(character)
    left = [one for one in conversation.active_characters if one != character]
    return _touch(connection, evolve(conversation, active_characters=left))


def _require_cast(connection: Connection, conversation: Conversation) -> None:
    for id in conversation.active_characters:
        CHARACTERS.require(connection, id)


def _touch(connection: Connection, conversation: Conversation) -> Conversation:
    touched = evolve(conversation, updated_at=_newest(connection))
    CONVERSATIONS.put(connection, touched)
    return touched


def _newest(connection: Connection) -> datetime:
    """Return now, or just after the newest activity when the clock stands still or went back."""
    (latest,) = connection.execute("select max(updated_at) from conversations").fetchone()
    return max(datetime.now(UTC), datetime.fromisoformat(latest) + timedelta(microseconds=1))


# -- messages ------------------------------------------------------------------------------------


def add_message(connection: Connection, message: Message) -> None:
    """Append a message, or replace the version with its id in place."""
    if message.character_id is not None:
        CHARACTERS.require(connection, message.character_id)
    home = message.conversation_id
    if not (active := _touch_now(connection, home)):
        conversation = _touch(connection, CONVERSATIONS.find(connection, home))
        active = (conversation.title,)
    if active[0] is None and message.title:
        name = "update conversations set title = ? where conversation_id = ?"
        connection.execute(name, (message.title, home))
    if not MESSAGES.put(connection, message):
        raise elsewhere(message.message_id)


def _touch_now(connection: Connection, id: str) -> tuple[str | None] | None:
    """Put a conversation first, and return its title in a row.

    Returns None if there is no such conversation, or the clock stands still or went back.
    """
    found: tuple[str | None] | None = connection.execute(
        "update conversations set updated_at = ?1 where conversation_id = ?2 "
        "and ?1 > (select max(updated_at) from conversations) returning title",
        (iso(datetime.now(UTC)), id),
    ).fetchone()
    return found


def add_messages(connection: Connection, messages: Sequence[Message]) -> None:
    """Append several; what one job does is taken back as a whole."""
    for message in messages:
        add_message(connection, message)


def messages(
    connection: Connection, conversation: str, limit: int, offset: int, after: str | None
) -> Sequence[Message]:
    """Return a page, oldest first."""
    CONVERSATIONS.require(connection, conversation)
    behind = -1 if after is None else _place(connection, conversation, after)
    rest = "where conversation_id = ? and seq > ? order by seq limit ? offset ?"
    page = bounded(limit), bounded(offset)
    return MESSAGES.select(connection, rest, conversation, behind, *page)


def recent(
    connection: Connection, conversation: str, n: int, before: str | None
) -> Sequence[Message]:
    """Return the last ones, oldest first."""
    CONVERSATIONS.require(connection, conversation)
    end = MANY if before is None else _place(connection, conversation, before)
    rest = "where conversation_id = ? and seq < ? order by seq desc limit ?"
    return MESSAGES.select(connection, rest, conversation, end, bounded(n))[::-1]


def _place(connection: Connection, conversation: str, id: str) -> int:
    query = "select seq from messages where message_id = ? and conversation_id = ?"
    row = connection.execute(query, (id, conversation)).fetchone()
    if row is None:
        raise missing("message", id)
    return int(row[0])


def search(connection: Connection, query: str, limit: int, offset: int) -> Sequence[Message]:
    """Return messages that hold every word, newest first."""
    # quoted, a word is never taken for an operator of FTS5's query language
    wanted = " ".join(f'"{word}"' for word in dict.fromkeys(words(query)))
    if not wanted:
        return []
    rest = (
        "where seq in (select rowid from message_words where message_words match ? "
        "order by rowid desc limit ? offset ?) order by seq desc"
    )
    return MESSAGES.select(connection, rest, wanted, bounded(limit), bounded(offset))


# -- settings ------------------------------------------------------------------------------------


def settings(connection: Connection) -> dict[str, Any]:
    """Return all settings."""
    rows = connection.execute("select name, value from settings")
    return {name: json.loads(value) for name, value in rows}


def change_settings(connection: Connection, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set some, take away those that are null, return all."""
    after = merged(settings(connection), changes)
    for name in changes:
        connection.execute("delete from settings where name = ?", (name,))
        if name in after:
            connection.execute("insert into settings values (?, ?)", (name, to_json(after[name])))
    return after
