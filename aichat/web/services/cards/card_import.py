"""Imports a character from a card: its picture and voice are stored first.

It is inactive until the user activates it, and has none of what its card proposes (see
:mod:`~aichat.web.services.cards.card_file`): a stranger's file decides neither about cost nor about
permissions.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Container, Mapping
from functools import partial
from itertools import count
from typing import Any

import anyio
from anyio import to_thread
from attrs import evolve, frozen

from aichat.core import BadValue, Character, Parts, Storage, Voice
from aichat.web.schemas.decoding import fill
from aichat.web.schemas.records import NewCharacter
from aichat.web.schemas.settings import KNOWN, sent
from aichat.web.schemas.voices import NewVoice
from aichat.web.services.uploads import Uploads
from aichat.web.services.uploads.files import File, read_at_most
from aichat.web.services.uploads.pictures import LIMIT_BYTES, Pictures

from . import card_file

OWN = ("model", "temperature")
"""Proposals that are fields of a character; the others are extensions of it."""


def proposals(who: Character) -> dict[str, Any]:
    """Return what a character's card proposes, without what it has already."""
    proposed = who.extensions.get("proposed")
    if not isinstance(proposed, Mapping):
        return {}
    now = {**{name: getattr(who, name) for name in OWN}, **who.extensions}
    return {
        name: value
        for name, value in proposed.items()
        if name in (*OWN, *KNOWN) and value != now.get(name)
    }


def accepted(who: Character, names: Collection[str]) -> dict[str, Any]:
    """Return the changes that accept these proposals, and drop the others."""
    taken = {name: value for name, value in proposals(who).items() if name in names}
    left = {name: value for name, value in who.extensions.items() if name != "proposed"}
    extensions = {**left, **{name: taken[name] for name in KNOWN if name in taken}}
    return {**{name: taken[name] for name in OWN if name in taken}, "extensions": extensions}


@frozen
class CardImport:
    """Makes characters of cards."""

    parts: Parts
    uploads: Uploads
    pictures: Pictures

    async def take_in(self, file: File) -> Character:
        """Make a character of a card, after its picture and its voice.

        Raises BadValue, or TooLarge.
        """
        data = await read_at_most(file, LIMIT_BYTES, "Send a smaller card.")
        card = await to_thread.run_sync(card_file.read, data)
        storage = self.parts.storage
        fields = sent(fill(card.fields, NewCharacter))
        proposed = card.fields["extensions"].get("proposed", {})
        own = {name: proposed[name] for name in OWN if name in proposed}
        fill({**card.fields, **own}, NewCharacter)  # a proposal that cannot be accepted is none
        voice = sent(fill(card.voice, NewVoice)) if card.voice else None
        if card.picture:
            address = await self.pictures.paint(storage, card.picture)
            fields |= {"image_url": address, "images": [address]}
        if voice and card.clip:
            fields["voice"] = await self._cloned(Voice(**voice), card.clip)
        elif voice:
            fields["voice"] = await _kept(storage, Voice(**voice))
        # looking through all of a large one takes a while
        who = await to_thread.run_sync(partial(Character, "", **fields))
        return await storage.add_character(who)

    async def _cloned(self, voice: Voice, clip: card_file.Clip) -> str:
        """Store a cloned voice; its clip is decoded and re-encoded like an upload."""
        if not clip.consent:
            raise BadValue(
                "The card holds a cloned voice whose speaker has not agreed.",
                "Take the voice out of the card.",
                "file",
            )
        storage = self.parts.storage
        file = anyio.wrap_file(io.BytesIO(clip.audio))
        kept = await self.uploads.keep(self.parts, file, clip.transcript)
        known = {one.voice: one for one in await storage.voices()}
        same = known.get(voice.voice)
        if same and same.audio_path == kept.audio_path:
            return same.voice
        made = evolve(
            voice,
            voice=free_name(voice.voice.replace("/", "-").strip(), known),
            audio_path=kept.audio_path,
            text_path=kept.text_path,
            audio_tokens=None,
            settings={**voice.settings, "consent": clip.consent},
        )
        return (await storage.add_voice(made)).voice


async def _kept(storage: Storage, voice: Voice) -> str:
    """Store a voice under a free name, unless the same voice exists."""
    if voice.method != "description":
        raise BadValue("The card's voice has no clip.", "Take the voice out of the card.", "file")
    known = {one.voice: one for one in await storage.voices()}
    same = known.get(voice.voice)
    if same and (same.speaker_desc, same.settings) == (voice.speaker_desc, voice.settings):
        return same.voice
    free = free_name(voice.voice.replace("/", "-").strip(), known)
    return (await storage.add_voice(evolve(voice, voice=free))).voice


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return an unused name for a voice: the wanted one, perhaps with a number added."""
    if wanted not in taken:
        return wanted
    return next(free for n in count(2) if (free := f"{wanted} {n}") not in taken)
