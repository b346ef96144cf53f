"""Taking an archive in. All of it is checked before anything is kept.

What refers to something that is neither in the archive nor here loses that reference: a character
its voice, a conversation a member. Nothing is ever deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any, Literal

from anyio import to_thread
from attrs import define, evolve, field, fields

from aichat.core import Character, Conversation, Message, NotFound, Storage, Voice

from .checking import BadArchive, Checked, checked

Policy = Literal["keep", "replace"]
"""What becomes of records that are here already: they stay, or the archive's take their place."""
BATCH = 1_000

__all__ = ["BadArchive", "Policy", "Taken", "take_in"]


@define
class Taken:
    """How many came in, and how many were left as they were; *changed* are ids of characters."""

    voices: int = 0
    characters: int = 0
    conversations: int = 0
    kept: int = 0
    changed: list[str] = field(factory=list)

    @property
    def line(self) -> str:
        """Tell it to people."""
        counts = {
            "character": self.characters, "voice": self.voices, "conversation": self.conversations,
        }  # fmt: skip
        listed = [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items() if n]
        came = f"{', '.join(listed) or 'Nothing new'} came in."
        were = "record was" if self.kept == 1 else "records were"
        return f"{came} {self.kept} {were} here already." if self.kept else came


async def take_in(storage: Storage, file: IO[bytes], policy: Policy) -> Taken:
    """Take an archive in. Raises :class:`BadArchive`, and then nothing has changed."""
    found = await to_thread.run_sync(checked, file)
    with found.archive:
        return await _Taking(storage, found, policy).everything()


class _Taking:
    def __init__(self, storage: Storage, found: Checked, policy: Policy) -> None:
        self.storage, self.found, self.policy = storage, found, policy
        self.taken = Taken()

    async def everything(self) -> Taken:
        for key in self.found.clips():
            await self._clip(key)
        for voice in self.found.voices:
            await self._voice(voice)
        voices = {voice.voice for voice in await self.storage.voices()}
        for who in self.found.characters:
            known = who.voice if who.voice in voices else None
            await self._character(evolve(who, voice=known))
        here = {who.id for who in await self.storage.characters()}
        for name in self.found.talks:
            conversation, messages = await to_thread.run_sync(self.found.talk, name)
            await self._talk(conversation, messages, here)
        await self._settings()
        return self.taken

    async def _clip(self, key: str) -> None:
        data = await to_thread.run_sync(self.found.clip, key)
        if await self.storage.add_clip(data, key.rpartition(".")[2]) != key:
            raise BadArchive(f"clips/{key} is not what its name says.", "Export it again.")

    async def _voice(self, voice: Voice) -> None:
        if not await _is_here(self.storage.voice, voice.voice):
            await self.storage.add_voice(voice)
        elif self.policy == "replace":
            await self.storage.change_voice(voice.voice, _changes(voice))
        else:
            self.taken.kept += 1
            return
        self.taken.voices += 1

    async def _character(self, who: Character) -> None:
        if not await _is_here(self.storage.character, who.id):
            await self.storage.add_character(who)
        elif self.policy == "replace":
            await self.storage.change_character(who.id, _changes(who))
            self.taken.changed.append(who.id)
        else:
            self.taken.kept += 1
            return
        self.taken.characters += 1

    async def _talk(
        self, conversation: Conversation, messages: Sequence[Message], here: set[str]
    ) -> None:
        cast = [id for id in conversation.active_characters if id in here]
        conversation = evolve(conversation, active_characters=cast)
        if not await _is_here(self.storage.conversation, conversation.conversation_id):
            await self.storage.add_conversation(conversation)
        elif self.policy == "replace":
            await self.storage.change_conversation(
                conversation.conversation_id, _changes(conversation)
            )
        else:
            self.taken.kept += 1
            return
        said = [
            one if one.character_id in here else evolve(one, character_id=None) for one in messages
        ]
        for at in range(0, len(said), BATCH):
            await self.storage.add_messages(said[at : at + BATCH])
        self.taken.conversations += 1

    async def _settings(self) -> None:
        now = await self.storage.settings()
        new = {
            name: value
            for name, value in self.found.settings.items()
            if value is not None and (self.policy == "replace" or now.get(name) is None)
        }
        if new:
            await self.storage.change_settings(new)


async def _is_here(find: Any, key: str) -> bool:
    try:
        await find(key)
    except NotFound:
        return False
    return True


def _changes(record: Voice | Character | Conversation) -> dict[str, Any]:
    """Return everything of a record that can be changed."""
    names = [one.name for one in fields(type(record))][1:]  # the first is its key
    return {n: getattr(record, n) for n in names if n not in ("created_at", "updated_at")}
