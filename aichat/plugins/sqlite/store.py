"""The Storage protocol on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar, TypeVarTuple

import anyio.to_thread

from aichat.core import Character, Conversation, FieldChanges, Message, NotFound, Voice
from aichat.core.store_rules import clip_key

from . import backup, characters, clips, conversations
from .connection_threads import Worker, read, write
from .errors import readable
from .records import CHARACTERS, CONVERSATIONS, MESSAGES, VOICES
from .schema import locate, open_both

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Sqlite:
    """One SQLite file. *path* is by default ``aichat.db`` in ``$AICHAT_DATA``, or your data folder.

    A write returns once it is on the disk: neither a crash nor a power cut takes it back. Clips are
    files in a folder beside it (``aichat.db-clips``).
    """

    def __init__(self, path: str = "") -> None:
        self.path = path

    async def __aenter__(self) -> Sqlite:
        self.file = locate(self.path)
        self.clips = clips.beside(self.file)
        self.is_untouched = not self.file.exists()
        writer, reader = await anyio.to_thread.run_sync(open_both, self.file)
        self.writer = Worker("writer", writer, write)
        self.reader = Worker("reader", reader, read)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.writer.stop)
            stack.push_async_callback(self.reader.stop)

    async def _read(self, job: Callable[[Connection, *Ts], T], *values: *Ts) -> T:
        return await self.reader.do(lambda connection: job(connection, *values))

    async def _write(self, job: Callable[[Connection, *Ts], T], *values: *Ts) -> T:
        self.is_untouched = False
        return await self.writer.do(lambda connection: job(connection, *values))

    async def back_up(self, file: Path) -> str:
        """Copy everything into a new zip file, while it is used; return what is in it."""
        if self.is_untouched:  # and made just now: this is not the one that was meant
            raise NotFound(f"There was no database {self.file}.", "Set AICHAT_DATA to its folder.")
        return await _on_disk(backup.back_up, self.file, self.clips, file)

    # -- characters --------------------------------------------------------------------------

    async def characters(self, *, active: bool | None = None) -> Sequence[Character]:
        return await self._read(characters.characters, active)

    async def character(self, id: str) -> Character:
        return await self._read(CHARACTERS.find, id)

    async def add_character(self, character: Character) -> Character:
        return await self._write(characters.add_character, character)

    async def change_character(self, id: str, changes: FieldChanges) -> Character:
        return await self._write(characters.change_character, id, changes)

    async def delete_character(self, id: str) -> None:
        await self._write(CHARACTERS.delete, id)

    # -- voices and their clips --------------------------------------------------------------

    async def voices(self) -> Sequence[Voice]:
        return await self._read(characters.voices)

    async def voice(self, key: str) -> Voice:
        return await self._read(VOICES.find, key)

    async def add_voice(self, voice: Voice) -> Voice:
        return await self._write(characters.add_voice, voice)

    async def change_voice(self, key: str, changes: FieldChanges) -> Voice:
        voice, gone = await self._write(characters.change_voice, key, changes)
        await self._drop(gone)
        return voice

    async def delete_voice(self, key: str) -> None:
        await self._drop(await self._write(characters.delete_voice, key))

    async def add_clip(self, data: bytes, extension: str) -> str:
        key = await anyio.to_thread.run_sync(clip_key, data, extension)
        draft = await _on_disk(self.clips.draft, data)
        return await self._write(clips.keep, self.clips, draft, key)

    async def clip(self, key: str) -> bytes:
        await self._read(clips.require, [key])
        return await _on_disk(self.clips.read, key)

    async def _drop(self, keys: Sequence[str]) -> None:
        if keys:  # only now that their rows are gone for good
            await self._write(clips.remove, self.clips, keys)

    # -- conversations -----------------------------------------------------------------------

    async def conversations(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        return await self._read(conversations.conversations, limit, offset)

    async def conversation(self, id: str) -> Conversation:
        return await self._read(CONVERSATIONS.find, id)

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        return await self._read(conversations.cast, id)

    async def add_conversation(self, conversation: Conversation) -> Conversation:
        return await self._write(conversations.add_conversation, conversation)

    async def change_conversation(self, id: str, changes: FieldChanges) -> Conversation:
        return await self._write(conversations.change_conversation, id, changes)

    async def adjust_conversation(
        self, id: str, settings: Mapping[str, Any], changes: FieldChanges
    ) -> Conversation:
        return await self._write(conversations.adjust_conversation, id, settings, changes)

    async def join_conversation(self, id: str, character: str) -> Conversation:
        return await self._write(conversations.join, id, character)

    async def leave_conversation(self, id: str, character: str) -> Conversation:
        return await self._write(conversations.leave, id, character)

    async def delete_conversation(self, id: str) -> None:
        await self._write(CONVERSATIONS.delete, id)

    # -- messages ----------------------------------------------------------------------------

    async def add_message(self, message: Message) -> None:
        await self._write(conversations.add_message, message)

    async def add_messages(self, messages: Sequence[Message]) -> None:
        await self._write(conversations.add_messages, messages)

    async def message(self, id: str) -> Message:
        return await self._read(MESSAGES.find, id)

    async def delete_message(self, id: str) -> None:
        await self._write(MESSAGES.delete, id)

    async def messages(
        self, conversation: str, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> Sequence[Message]:
        return await self._read(conversations.messages, conversation, limit, offset, after)

    async def recent_messages(
        self, conversation: str, n: int = 50, before: str | None = None
    ) -> Sequence[Message]:
        return await self._read(conversations.recent, conversation, n, before)

    async def search_messages(
        self, query: str, limit: int = 50, offset: int = 0
    ) -> Sequence[Message]:
        return await self._read(conversations.search, query, limit, offset)

    # -- settings ----------------------------------------------------------------------------

    async def settings(self) -> Mapping[str, Any]:
        return await self._read(conversations.settings)

    async def change_settings(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._write(conversations.change_settings, changes)


async def _on_disk(work: Callable[[*Ts], T], *values: *Ts) -> T:
    """Do work that takes the disk's time in a worker thread."""
    try:
        return await anyio.to_thread.run_sync(partial(work, *values))
    except OSError as error:
        raise readable(error) from error
