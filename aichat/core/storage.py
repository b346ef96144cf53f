"""The part ``storage``: the protocol of a store.

Four verbs: *add* makes a record (:class:`~aichat.core.errors.Conflict` when its key is taken),
*change* takes the fields to change and returns the whole record, *delete* removes one, and the noun
itself reads. Each call is atomic, and what it has acknowledged survives a crash.

Every call raises :class:`~aichat.core.errors.NotFound` for unknown ids, its own and those that a
record refers to (no reference ever dangles), :class:`~aichat.core.errors.BadValue` for a value
that breaks a rule of :mod:`~aichat.core.validators`, and
:class:`~aichat.core.errors.Unreachable` when the store cannot read or write. Where two
things are wrong, either may be raised. A count below zero is zero, and none is too large.

For authors of stores: the shared rules are in :mod:`~aichat.core.store_rules`, the tests in
:class:`~aichat.core.testing.storage.contract.StorageContract`, and a model implementation is
:class:`~aichat.core.memory_storage.MemoryStorage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .models import Character, Conversation, Message, Voice

FieldChanges = Mapping[str, Any]
"""Fields of a record with their new values: any but its key, ``created_at`` and ``updated_at``."""


class Storage(Protocol):
    """Keeps characters, voices, clips, conversations, messages and settings."""

    # -- characters --------------------------------------------------------------------------

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        """Return the characters, oldest first; those that are (in)active if *active* is given."""
        ...

    async def character(self, id: str) -> Character:
        """Return one character."""
        ...

    async def add_character(self, character: Character) -> Character:
        """Add a character, and return it. Without an id it gets the next one for its name.

        That is :func:`~aichat.core.models.slug` of the name with a number (``olivia-barns-001``)
        that no character of that slug has had before, deleted ones included.
        """
        ...

    async def change_character(self, id: str, changes: FieldChanges) -> Character:
        """Change fields of a character."""
        ...

    async def delete_character(self, id: str) -> None:
        """Remove a character, from the casts of conversations too.

        What it said stays: its messages keep their ``name``, and lose their ``character_id``.
        """
        ...

    # -- voices and their clips --------------------------------------------------------------

    async def voices(self) -> Sequence[Voice]:
        """Return the voices, oldest first."""
        ...

    async def voice(self, key: str) -> Voice:
        """Return one voice."""
        ...

    async def add_voice(self, voice: Voice) -> Voice:
        """Add a voice. Its ``audio_path`` and ``text_path`` are clips, or null."""
        ...

    async def change_voice(self, key: str, changes: FieldChanges) -> Voice:
        """Change fields of a voice."""
        ...

    async def delete_voice(self, key: str) -> None:
        """Remove a voice, and its clips where no other voice has them (so does changing them).

        Raises :class:`~aichat.core.errors.Conflict`, which names the characters that use it.
        """
        ...

    async def add_clip(self, data: bytes, extension: str) -> str:
        """Store bytes, and return their key: their SHA-256 in hex, a dot, and *extension*.

        Adding the same again changes nothing. *extension* is up to 8 lower-case letters and digits.
        A clip that no voice has taken may be swept after a day, unless a character shows it
        (``/images/`` and its key are among its ``image_url`` and ``images``) or a message does
        (they are in its ``content``). So there is a day to use what was uploaded.
        """
        ...

    async def clip(self, key: str) -> bytes:
        """Return the bytes of a clip."""
        ...

    # -- conversations -----------------------------------------------------------------------

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        """Return conversations, newest activity first."""
        ...

    async def conversation(self, id: str) -> Conversation:
        """Return one conversation."""
        ...

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        """Return a conversation and its characters, in its order."""
        ...

    async def add_conversation(self, conversation: Conversation) -> Conversation:
        """Add a conversation. Its characters must exist, and be named once each."""
        ...

    async def change_conversation(self, id: str, changes: FieldChanges) -> Conversation:
        """Change fields of a conversation; this is activity. *settings* are replaced as a whole."""
        ...

    async def join_conversation(self, id: str, character: str) -> Conversation:
        """Put a character at the end of a conversation's cast, unless it is in it (no activity)."""
        ...

    async def leave_conversation(self, id: str, character: str) -> Conversation:
        """Take a character out of a conversation's cast. NotFound if it is not in it."""
        ...

    async def delete_conversation(self, id: str) -> None:
        """Remove a conversation and its messages."""
        ...

    # -- messages ----------------------------------------------------------------------------

    async def add_message(self, message: Message) -> None:
        """Append to a conversation. A message with a known id replaces that version in place.

        So adding again is harmless, and a corrected version (what was heard) takes its place. An id
        that is taken in another conversation is a :class:`~aichat.core.errors.Conflict`. The first
        words of a user name a conversation whose title is null (:attr:`Message.title`); every
        message makes its conversation the one with the newest activity.
        """
        ...

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """Append several, in order, and nothing between them: all of them or none."""
        ...

    async def message(self, id: str) -> Message:
        """Return one message."""
        ...

    async def delete_message(self, id: str) -> None:
        """Remove one message; those around it keep their order (no activity)."""
        ...

    async def messages(
        self, conversation: str, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> Sequence[Message]:
        """Return messages, oldest first; those that follow the message *after*, if it is given.

        *after* finds its page without counting (a keyset); *offset* counts from there.
        """
        ...

    async def recent_messages(
        self, conversation: str, n: int = 50, before: str | None = None
    ) -> Sequence[Message]:
        """Return the last *n* messages, oldest first; the last before the message *before*."""
        ...

    async def search_messages(
        self, query: str, limit: int = 50, offset: int = 0
    ) -> Sequence[Message]:
        """Return messages whose content holds every word of *query*, newest first.

        It matches whole words, ignoring case but not accents; anything but letters and digits
        separates words (:func:`~aichat.core.store_rules.words`). Without a word, nothing is found.
        """
        ...

    # -- settings of the application ---------------------------------------------------------

    async def settings(self) -> Mapping[str, Any]:
        """Return the settings: JSON values by name."""
        ...

    async def change_settings(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change some, and return all. A value of null removes that setting."""
        ...


@runtime_checkable
class Adjusts(Protocol):
    """Optional for a store: change single settings of a conversation atomically.

    With a store that cannot, one process reads them, changes some, and writes all back.
    """

    async def adjust_conversation(
        self, id: str, settings: Mapping[str, Any], changes: FieldChanges
    ) -> Conversation:
        """Change some of its settings (null removes one), and fields. This is activity.

        It is atomic: settings that are not named keep what others have set meanwhile.
        """
        ...


@runtime_checkable
class BacksUp(Protocol):
    """Optional for a store: ``litestar aichat backup FILE`` uses it."""

    async def back_up(self, file: Path) -> str:
        """Copy everything into a new file while the store is in use; return one line about it.

        Raises :class:`~aichat.core.errors.Conflict` when there is such a file already.
        """
        ...
