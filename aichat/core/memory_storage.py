"""A store in memory: for tests, benches, and as the model implementation of a store.

Nothing here awaits, so that it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import evolve

from aichat.core.models import Character, Conversation, Message, Voice, slug
from aichat.core.picture_links import picture_keys
from aichat.core.storage import FieldChanges
from aichat.core.store_rules import (
    absent,
    changed,
    clip_key,
    clip_keys,
    elsewhere,
    image_keys,
    in_use,
    merged,
    missing,
    numbered,
    taken,
    words,
)

T = TypeVar("T")


class MemoryStorage:
    """The Storage protocol on plain dicts, filled with *characters* and *voices* to begin with."""

    def __init__(self, characters: Iterable[Character] = (), voices: Iterable[Voice] = ()) -> None:
        self._voices = {voice.voice: voice for voice in voices}
        self._characters = {character.id: character for character in characters}
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[str, dict[str, Message]] = {}  # by conversation, then by id
        self._homes: dict[str, str] = {}  # message id -> conversation
        self._numbers: dict[str, int] = {}  # slug -> the highest number that was given
        self._clips: dict[str, bytes] = {}
        self._settings: dict[str, Any] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)  # when anything last happened
        for id in self._characters:
            self._count(id)

    # -- characters --------------------------------------------------------------------------

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        """Return the characters, oldest first."""
        oldest_first = sorted(self._characters.values(), key=lambda c: c.created_at)
        return [c for c in oldest_first if active is None or c.is_active == active]

    async def character(self, id: str) -> Character:
        """Return one character."""
        return _find(self._characters, id, "character")

    async def add_character(self, character: Character) -> Character:
        """Add a character."""
        if not character.id:
            character = evolve(character, id=self._next_id(character.name))
        if character.id in self._characters:
            raise taken("character", character.id)
        self._require_voice(character)
        self._count(character.id)
        self._characters[character.id] = character
        return character

    async def change_character(self, id: str, changes: FieldChanges) -> Character:
        """Change fields of a character."""
        character = changed(_find(self._characters, id, "character"), changes)
        self._require_voice(character)
        self._characters[id] = character
        return character

    async def delete_character(self, id: str) -> None:
        """Remove a character, from casts and messages too."""
        _find(self._characters, id, "character")
        del self._characters[id]
        for key, one in self._conversations.items():
            cast = [c for c in one.active_characters if c != id]
            self._conversations[key] = evolve(one, active_characters=cast)
        for said in self._messages.values():
            for key, message in said.items():
                if message.character_id == id:
                    said[key] = evolve(message, character_id=None)

    def _next_id(self, name: str) -> str:
        base = slug(name)
        return f"{base}-{self._numbers.get(base, 0) + 1:03}"

    def _count(self, id: str) -> None:
        if slug_and_number := numbered(id):
            base, number = slug_and_number
            self._numbers[base] = max(self._numbers.get(base, 0), number)

    def _require_voice(self, character: Character) -> None:
        if character.voice is not None:
            _find(self._voices, character.voice, "voice")

    # -- voices and their clips --------------------------------------------------------------

    async def voices(self) -> Sequence[Voice]:
        """Return the voices, oldest first."""
        return sorted(self._voices.values(), key=lambda voice: voice.created_at)

    async def voice(self, key: str) -> Voice:
        """Return one voice."""
        return _find(self._voices, key, "voice")

    async def add_voice(self, voice: Voice) -> Voice:
        """Add a voice."""
        if voice.voice in self._voices:
            raise taken("voice", voice.voice)
        self._require_clips(voice)
        self._voices[voice.voice] = voice
        return voice

    async def change_voice(self, key: str, changes: FieldChanges) -> Voice:
        """Change fields of a voice."""
        before = _find(self._voices, key, "voice")
        voice = changed(before, changes)
        self._require_clips(voice)
        self._voices[key] = voice
        self._drop_clips(before)
        return voice

    async def delete_voice(self, key: str) -> None:
        """Remove a voice that no character uses."""
        voice = _find(self._voices, key, "voice")
        if users := [c.name for c in await self.characters() if c.voice == key]:
            raise in_use(key, users)
        del self._voices[key]
        self._drop_clips(voice)

    async def add_clip(self, data: bytes, extension: str) -> str:
        """Keep bytes under their hash."""
        key = clip_key(data, extension)
        self._clips[key] = bytes(data)
        return key

    async def clip(self, key: str) -> bytes:
        """Return the bytes of a clip."""
        return _find(self._clips, key, "clip")

    def _require_clips(self, voice: Voice) -> None:
        for key in clip_keys(voice):
            _find(self._clips, key, "clip")

    def _drop_clips(self, voice: Voice) -> None:
        used = {key for other in self._voices.values() for key in clip_keys(other)}
        used |= {key for one in self._characters.values() for key in image_keys(one)}
        said = (message for messages in self._messages.values() for message in messages.values())
        used |= {key for message in said for key in picture_keys(message.content)}
        for key in clip_keys(voice) - used:
            self._clips.pop(key, None)

    # -- conversations -----------------------------------------------------------------------

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        """Return conversations, newest activity first."""
        newest_last = sorted(self._conversations.values(), key=lambda c: c.updated_at)
        return _page(newest_last[::-1], limit, offset)

    async def conversation(self, id: str) -> Conversation:
        """Return one conversation."""
        return _find(self._conversations, id, "conversation")

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        """Return a conversation and its characters, in its order."""
        conversation = await self.conversation(id)
        return conversation, [await self.character(c) for c in conversation.active_characters]

    async def add_conversation(self, conversation: Conversation) -> Conversation:
        """Add a conversation."""
        id = conversation.conversation_id
        if id in self._conversations:
            raise taken("conversation", id)
        self._require_cast(conversation)
        self._conversations[id], self._messages[id] = conversation, {}
        self._latest = max(self._latest, conversation.updated_at)
        return conversation

    async def change_conversation(self, id: str, changes: FieldChanges) -> Conversation:
        """Change fields of a conversation."""
        before = _find(self._conversations, id, "conversation")
        conversation = changed(before, changes)
        self._require_cast(conversation)
        return self._touch(conversation)

    async def adjust_conversation(
        self, id: str, settings: Mapping[str, Any], changes: FieldChanges
    ) -> Conversation:
        """Set some of its settings, and change fields."""
        before = _find(self._conversations, id, "conversation")
        both = {**changes, "settings": merged(before.settings, settings)}
        return await self.change_conversation(id, both)

    async def join_conversation(self, id: str, character: str) -> Conversation:
        """Put a character at the end of the cast."""
        conversation = _find(self._conversations, id, "conversation")
        _find(self._characters, character, "character")
        if character in conversation.active_characters:
            return conversation
        cast = [*conversation.active_characters, character]
        return self._touch(evolve(conversation, active_characters=cast))

    async def leave_conversation(self, id: str, character: str) -> Conversation:
        """Take a character out of the cast."""
        conversation = _find(self._conversations, id, "conversation")
        if character not in conversation.active_characters:
            raise absent(character)
        cast = [c for c in conversation.active_characters if c != character]
        return self._touch(evolve(conversation, active_characters=cast))

    async def delete_conversation(self, id: str) -> None:
        """Remove a conversation and its messages."""
        _find(self._conversations, id, "conversation")
        del self._conversations[id]
        for message in self._messages.pop(id):
            del self._homes[message]

    def _require_cast(self, conversation: Conversation) -> None:
        for id in conversation.active_characters:
            _find(self._characters, id, "character")

    def _touch(self, conversation: Conversation) -> Conversation:
        self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
        touched = evolve(conversation, updated_at=self._latest)
        self._conversations[conversation.conversation_id] = touched
        return touched

    # -- messages ----------------------------------------------------------------------------

    async def add_message(self, message: Message) -> None:
        """Append a message, or replace the version with its id in place."""
        self._require_place(message)
        self._append(message)

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """Append several, or none."""
        homes: dict[str, str] = {}
        for message in messages:
            self._require_place(message)
            if homes.setdefault(message.message_id, message.conversation_id) != (
                message.conversation_id
            ):
                raise elsewhere(message.message_id)
        for message in messages:
            self._append(message)

    async def message(self, id: str) -> Message:
        """Return one message."""
        return self._messages[_find(self._homes, id, "message")][id]

    async def delete_message(self, id: str) -> None:
        """Remove one message."""
        del self._messages[_find(self._homes, id, "message")][id]
        del self._homes[id]

    async def messages(
        self, conversation: str, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> Sequence[Message]:
        """Return messages, oldest first."""
        messages = self._of(conversation)
        if after is not None:
            messages = messages[self._place(messages, after) + 1 :]
        return _page(messages, limit, offset)

    async def recent_messages(
        self, conversation: str, n: int = 50, before: str | None = None
    ) -> Sequence[Message]:
        """Return the last *n* messages, oldest first."""
        messages = self._of(conversation)
        if before is not None:
            messages = messages[: self._place(messages, before)]
        return messages[-n:] if n > 0 else []

    async def search_messages(
        self, query: str, limit: int = 50, offset: int = 0
    ) -> Sequence[Message]:
        """Return messages that hold every word, newest first."""
        wanted = _lower(words(query))
        found = [
            message
            for said in self._messages.values()
            for message in said.values()
            if wanted and wanted <= _lower(words(message.content))
        ]
        return _page(sorted(found, key=lambda m: m.created_at, reverse=True), limit, offset)

    def _require_place(self, message: Message) -> None:
        id = message.conversation_id
        _find(self._conversations, id, "conversation")
        if message.character_id is not None:
            _find(self._characters, message.character_id, "character")
        if self._homes.get(message.message_id, id) != id:
            raise elsewhere(message.message_id)

    def _append(self, message: Message) -> None:
        id = message.conversation_id
        self._homes[message.message_id] = id
        self._messages[id][message.message_id] = message
        conversation = self._conversations[id]
        title = message.title if conversation.title is None else conversation.title
        self._touch(evolve(conversation, title=title))

    def _of(self, conversation: str) -> list[Message]:
        return list(_find(self._messages, conversation, "conversation").values())

    def _place(self, messages: list[Message], id: str) -> int:
        places = {message.message_id: place for place, message in enumerate(messages)}
        return _find(places, id, "message")

    # -- settings ----------------------------------------------------------------------------

    async def settings(self) -> Mapping[str, Any]:
        """Return what was set."""
        return dict(self._settings)

    async def change_settings(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set some, take away those that are null, return all."""
        self._settings = merged(self._settings, changes)
        return await self.settings()


def _find(records: Mapping[str, T], key: str, noun: str) -> T:
    try:
        return records[key]
    except KeyError:
        raise missing(noun, key) from None


def _lower(words: Iterable[str]) -> set[str]:
    return {word.lower() for word in words}


def _page(records: Sequence[T], limit: int, offset: int) -> Sequence[T]:
    offset = max(0, offset)
    return records[offset : offset + max(0, limit)]
