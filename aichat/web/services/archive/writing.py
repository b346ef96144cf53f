"""Exports an archive to a temporary file; memory holds one conversation at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import msgspec
from anyio import to_thread

from aichat.core import Message, NotFound, Storage
from aichat.core.picture_links import picture_keys
from aichat.core.store_rules import clip_keys, image_keys
from aichat.toolkit.packages import version
from aichat.web.schemas import records, voices
from aichat.web.schemas.records import out, outs

from . import layout
from .layout import About, ArchivedConversation

KINDS = ("characters", "voices", "conversations")
"""Kinds of records that an export may include."""
PAGE = 500
CHUNK = 256 * 1024


def today() -> datetime:
    """Return the current time, for the name of the file."""
    return datetime.now(UTC)


async def packed(storage: Storage, kinds: Collection[str]) -> tuple[int, AsyncIterator[bytes]]:
    """Export these *kinds* of records; return the archive's size in bytes, and its pieces."""
    file = TemporaryFile()  # noqa: SIM115  (the iterator closes it)
    try:
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            await _Writing(storage, archive).everything(kinds)
        size = file.tell()
    except BaseException:
        file.close()
        raise
    return size, _pieces(file)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while piece := await to_thread.run_sync(file.read, CHUNK):
            yield piece


class _Writing:
    def __init__(self, storage: Storage, archive: ZipFile) -> None:
        self.storage, self.archive = storage, archive
        self.clips: set[str] = set()

    async def everything(self, kinds: Collection[str]) -> None:
        about = About(layout.VERSION, version(), datetime.now(UTC).isoformat())
        await self._put(layout.ABOUT, about)
        await self._put(layout.SETTINGS, dict(await self.storage.settings()))
        if "voices" in kinds:
            known = await self.storage.voices()
            await self._put(layout.VOICES, outs(voices.Voice, known))
            self.clips.update(*(clip_keys(voice) for voice in known))
        if "characters" in kinds:
            characters = await self.storage.characters()
            await self._put(layout.CHARACTERS, outs(records.Character, characters))
            self.clips.update(*(image_keys(character) for character in characters))
        if "conversations" in kinds:
            await self._conversations()
        for key in sorted(self.clips):
            await self._clip(key)

    async def _conversations(self) -> None:
        ids: dict[str, None] = {}  # in order; a page may repeat one that has moved up meanwhile
        while page := await self.storage.conversations(PAGE, len(ids)):
            known = len(ids)
            ids.update((one.conversation_id, None) for one in page)
            if len(ids) == known:
                break
        for number, id in enumerate(reversed(ids)):  # oldest first, the order of an import
            await self._talk(f"{layout.CONVERSATIONS}{number:06}.json", id)

    async def _talk(self, name: str, id: str) -> None:
        messages: list[records.Message] = []
        try:
            conversation = await self.storage.conversation(id)
            while page := await self._page(id, messages):
                messages += outs(records.Message, page)
                self.clips.update(*(picture_keys(message.content) for message in page))
        except NotFound:  # it was deleted meanwhile
            return
        await self._put(
            name, ArchivedConversation(out(records.Conversation, conversation), messages)
        )

    async def _page(self, id: str, before: list[records.Message]) -> Sequence[Message]:
        """Read on behind the messages of *before*, and take out those that were deleted meanwhile.

        Raises NotFound when the conversation was.
        """
        while before:
            try:
                return await self.storage.messages(id, PAGE, after=before[-1].message_id)
            except NotFound:
                await self.storage.conversation(id)
                before.pop()
        return await self.storage.messages(id, PAGE)

    async def _clip(self, key: str) -> None:
        try:
            data = await self.storage.clip(key)
        except NotFound:  # a message names a picture that was deleted
            return
        # recordings and pictures hardly shrink
        await to_thread.run_sync(self.archive.writestr, layout.CLIPS + key, data, ZIP_STORED)

    async def _put(self, name: str, record: Any) -> None:
        data = msgspec.json.encode(record)
        await to_thread.run_sync(self.archive.writestr, name, data)
