"""What the examples and the programs of the storage contract share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs

from aichat.core.ids import new_id
from aichat.core.models import Character, Conversation, Message, Role
from aichat.core.storage import Storage

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def plain(record: attrs.AttrsInstance) -> Any:
    """Show a record without regard to which kinds of sequence and mapping it holds."""
    return json.loads(json.dumps(attrs.asdict(record), default=str))


def say(conversation: str, content: str = "Hello there.", role: Role = "user") -> Message:
    """Make a message with an id of its own."""
    return Message(new_id(), conversation, role, content)


def unheard_of() -> str:
    """Return a word that no store has seen."""
    return new_id().replace("-", "")[-12:]


async def started(storage: Storage, *characters: str) -> str:
    """Begin a conversation; return its id."""
    conversation = Conversation(new_id(), active_characters=characters)
    await storage.add_conversation(conversation)
    return conversation.conversation_id


async def somebody(storage: Storage, name: str = "Somebody", **fields: Any) -> str:
    """Add a character; return its id."""
    return (await storage.add_character(Character(new_id(), name, **fields))).id


async def contents(storage: Storage, conversation: str, n: int = 1000) -> list[str]:
    """Read what was said."""
    return [message.content for message in await storage.recent_messages(conversation, n)]
