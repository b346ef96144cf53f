"""A store that forgets at the end: for tests, benches, and as the model of what a store does.

Nothing here awaits, so that it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import evolve

from aichat.core.errors import Conflict, NotFound
from aichat.core.models import Character, Conversation, Message, Voice

T = TypeVar("T")


class MemoryStorage:
    """The Storage protocol on plain dicts, filled with *characters* and *voices* to begin with."""

    def __init__(self, characters: Iterable[Character] = (), voices: Iterable[Voice] = ()) -> None:
        self._voices = {voice.voice: voice for voice in voices}
        self._characters = {character.id: character for character in characters}
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[str, dict[str, Message]] = {}  # by conversation, then by id
        self._homes: dict[str, str] = {}  # message id -> conversation
        self._latest = datetime.min.replace(tzinfo=UTC)  # when anything last happened

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        """Return the characters, oldest first."""
        oldest_first = sorted(self._characters.values(), key=lambda c: c.created_at)
        return [c for c in oldest_first if active is None or c.is_active == active]

    async def character(self, id: str) -> Character:
        """Return one character."""
        return _find(self._characters, id, "character")

    async def put_character(self, character: Character) -> None:
        """Add or replace a character."""
        if character.voice is not None:
            _find(self._voices, character.voice, "voice")
        self._characters[character.id] = character

    async def voice(self, key: str) -> Voice:
        """Return one voice."""
        return _find(self._voices, key, "voice")

    async def put_voice(self, voice: Voice) -> None:
        """Add or replace a voice."""
        self._voices[voice.voice] = voice

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        """Return conversations, newest activity first."""
        newest_last = sorted(self._conversations.values(), key=lambda c: c.updated_at)
        offset = max(0, offset)
        return newest_last[::-1][offset : offset + max(0, limit)]

    async def conversation(self, id: str) -> Conversation:
        """Return one conversation."""
        return _find(self._conversations, id, "conversation")

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        """Return a conversation and its characters, in its order."""
        conversation = await self.conversation(id)
        return conversation, [await self.character(c) for c in conversation.active_characters]

    async def put_conversation(self, conversation: Conversation) -> None:
        """Add or replace a conversation."""
        for id in conversation.active_characters:
            _find(self._characters, id, "character")
        self._conversations[conversation.conversation_id] = conversation
        self._messages.setdefault(conversation.conversation_id, {})
        self._latest = max(self._latest, conversation.updated_at)

    async def delete_conversation(self, id: str) -> None:
        """Remove a conversation and its messages."""
        _find(self._conversations, id, "conversation")
        del self._conversations[id]
        for message in self._messages.pop(id):
            del self._homes[message]

    async def add_message(self, message: Message) -> None:
        """Append a message, or replace the version with its id in place."""
        id = message.conversation_id
        conversation = _find(self._conversations, id, "conversation")
        if self._homes.setdefault(message.message_id, id) != id:
            raise Conflict(
                f"Message {message.message_id!r} is in another conversation.", "Make a new id."
            )
        self._messages[id][message.message_id] = message
        self._conversations[id] = evolve(
            conversation, title=conversation.title or message.title, updated_at=self._newest()
        )

    async def recent_messages(self, conversation: str, n: int = 50) -> Sequence[Message]:
        """Return the last *n* messages, oldest first."""
        messages = list(_find(self._messages, conversation, "conversation").values())
        return messages[-n:] if n > 0 else []

    def _newest(self) -> datetime:
        self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
        return self._latest


def _find(records: dict[str, T], key: str, noun: str) -> T:
    try:
        return records[key]
    except KeyError:
        raise NotFound(f"There is no {noun} {key!r}.", f"Check the id of the {noun}.") from None
