"""Imports an archive. All of it is validated before anything is stored.

A reference to something that is neither in the archive nor in the store is dropped: a character's
voice, a member of a conversation. Nothing is ever deleted. An import that is cancelled, fails or is
stopped with the server is rolled back (``rollback.py``), except for recordings, which the store
sweeps, and the order of conversations.

An archive is the user's own backup: it restores everything, including tools and models of
characters (a card, which strangers pass around, only proposes those). The result counts the
characters with such choices, in case the archive was somebody else's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import anyio
import anyio.lowlevel
import msgspec
from anyio import to_thread
from attrs import define, evolve, field, fields

from aichat.core import Character, Conflict, Conversation, Message, NotFound, Storage, Voice
from aichat.web.schemas.settings import KNOWN

from .checking import BadArchive, Checked, checked
from .rollback import Kind, Rollback, UndoStep

Policy = Literal["keep", "replace"]
"""Existing records: keep them, or replace them by the archive's."""
BATCH = 1_000
Report = Callable[[int, int], None]
"""Called with the number of records imported so far, and the total."""

__all__ = ["BadArchive", "Policy", "Taken", "take_in"]


@define
class Taken:
    """Counts of imported and kept records; *changed* are ids of replaced characters."""

    voices: int = 0
    characters: int = 0
    conversations: int = 0
    kept: int = 0
    privileged: int = 0
    """Imported characters that have tools, a model or limits of their own."""
    changed: list[str] = field(factory=list)

    @property
    def line(self) -> str:
        """A sentence for people."""
        counts = {
            "character": self.characters, "voice": self.voices, "conversation": self.conversations,
        }  # fmt: skip
        listed = [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items() if n]
        came = f"{', '.join(listed) or 'Nothing new'} came in."
        if n := self.privileged:
            came += (
                f" {n} of them {'has' if n == 1 else 'have'} tools, a model or limits of their own."
            )
        were = "record was" if self.kept == 1 else "records were"
        return f"{came} {self.kept} {were} here already." if self.kept else came


async def take_in(
    storage: Storage, file: IO[bytes], policy: Policy, folder: Path, report: Report
) -> Taken:
    """Import an archive. Raises :class:`BadArchive`, and what the store raises.

    After an error, and when it is cancelled, the import is rolled back; *folder* keeps what that
    needs if the server is stopped meanwhile.
    """
    found = await to_thread.run_sync(checked, file)
    with found.archive:
        taking = _Taking(storage, found, policy, report, Rollback(folder))
        try:
            return await taking.everything()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await taking.rollback.run(storage)
            raise


@define(eq=False)
class _Taking:
    storage: Storage
    found: Checked
    policy: Policy
    report: Report
    rollback: Rollback
    taken: Taken = field(factory=Taken)
    clips: list[str] = field(init=False)
    done: int = 0

    def __attrs_post_init__(self) -> None:
        self.clips = list(self.found.clips())

    async def everything(self) -> Taken:
        await self._step(0)
        for key in self.clips:
            await self._clip(key)
            await self._step()
        for voice in self.found.voices:
            await self._voice(voice)
            await self._step()
        voices = {voice.voice for voice in await self.storage.voices()}
        for who in self.found.characters:
            known = who.voice if who.voice in voices else None
            await self._character(evolve(who, voice=known))
            await self._step()
        here = {who.id for who in await self.storage.characters()}
        for name in self.found.conversations:
            conversation, messages = await to_thread.run_sync(self.found.conversation, name)
            await self._conversation(conversation, messages, here)
            await self._step()
        await self._settings()
        await self.rollback.end()
        return self.taken

    async def _step(self, count: int = 1) -> None:
        """Report *count* more records as done; a checkpoint for cancellation."""
        self.done += count
        found = self.found
        records = (self.clips, found.voices, found.characters, found.conversations)
        self.report(self.done, sum(map(len, records)))
        await anyio.lowlevel.checkpoint()

    async def _clip(self, key: str) -> None:
        data = await to_thread.run_sync(self.found.clip, key)
        if await self.storage.add_clip(data, key.rpartition(".")[2]) != key:
            raise BadArchive(f"clips/{key} is not what its name says.", "Export it again.")

    async def _voice(self, voice: Voice) -> None:
        key, storage = voice.voice, self.storage
        before: Voice | None = await _found(storage.voice, key)
        if before is None:
            await self._add(partial(storage.add_voice, voice), "voice", key)
        elif self.policy == "replace":
            await self.rollback.note([_back("voice", key, before)])
            await storage.change_voice(key, _changes(voice))
        else:
            self.taken.kept += 1
            return
        self.taken.voices += 1

    async def _character(self, who: Character) -> None:
        before: Character | None = await _found(self.storage.character, who.id)
        if before is None:
            await self._add(partial(self.storage.add_character, who), "character", who.id)
        elif self.policy == "replace":
            await self.rollback.note([_back("character", who.id, before)])
            await self.storage.change_character(who.id, _changes(who))
            self.taken.changed.append(who.id)
        else:
            self.taken.kept += 1
            return
        self.taken.characters += 1
        self.taken.privileged += bool(who.model or any(who.extensions.get(n) for n in KNOWN))

    async def _conversation(
        self, conversation: Conversation, messages: Sequence[Message], here: set[str]
    ) -> None:
        cast = [id for id in conversation.active_characters if id in here]
        conversation = evolve(conversation, active_characters=cast)
        id, storage = conversation.conversation_id, self.storage
        before: Conversation | None = await _found(storage.conversation, id)
        if before is None:
            await self._add(partial(storage.add_conversation, conversation), "conversation", id)
        elif self.policy == "replace":
            await self.rollback.note([_back("conversation", id, before)])
            await storage.change_conversation(id, _changes(conversation))
        else:
            self.taken.kept += 1
            return
        said = [
            one if one.character_id in here else evolve(one, character_id=None) for one in messages
        ]
        if before:
            await self._note_messages(said)
        for at in range(0, len(said), BATCH):
            await storage.add_messages(said[at : at + BATCH])
        self.taken.conversations += 1

    async def _add(self, add: Callable[[], Awaitable[object]], kind: Kind, key: str) -> None:
        """Add a record; on a Conflict another request added it meanwhile, and it stays."""
        back = UndoStep(kind, key)
        await self.rollback.note([back])
        try:
            await add()
        except Conflict:
            await self.rollback.void(back)
            raise

    async def _note_messages(self, said: Sequence[Message]) -> None:
        """Add undo steps for messages of a conversation that exists already."""
        steps = []
        for one in said:
            found: Message | None = await _found(self.storage.message, one.message_id)
            before = msgspec.to_builtins(found) if found else None
            steps.append(UndoStep("message", one.message_id, before))
        await self.rollback.note(steps)

    async def _settings(self) -> None:
        now = await self.storage.settings()
        new = {
            name: value
            for name, value in self.found.settings.items()
            if value is not None and (self.policy == "replace" or now.get(name) is None)
        }
        if new:
            await self.storage.change_settings(new)


async def _found(find: Any, key: str) -> Any:
    try:
        return await find(key)
    except NotFound:
        return None


def _back(kind: Kind, key: str, before: Voice | Character | Conversation) -> UndoStep:
    return UndoStep(kind, key, msgspec.to_builtins(_changes(before)))


def _changes(record: Voice | Character | Conversation) -> dict[str, Any]:
    """Return everything of a record that can be changed."""
    names = [one.name for one in fields(type(record))][1:]  # the first is its key
    return {n: getattr(record, n) for n in names if n not in ("created_at", "updated_at")}
