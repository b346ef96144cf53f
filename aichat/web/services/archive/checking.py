"""Validates an archive and everything in it. Runs in a worker thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, TypeVar
from uuid import UUID
from zipfile import BadZipFile, ZipFile

import msgspec
from attrs import define, field
from msgspec import Struct

from aichat.core import BadValue, Character, Conversation, Message, Voice
from aichat.web.schemas import records, settings, voices
from aichat.web.schemas.decoding import decode
from aichat.web.schemas.voices import require_key
from aichat.web.services.picture_origin import is_own

from . import layout
from .layout import About, ArchivedConversation, plain

T = TypeVar("T")

MOST_FILES = 200_000
MOST_BYTES = 2_000_000_000
MOST_IN_A_FILE = 100_000_000
"""Most unpacked bytes of one file, against zip bombs."""
NAMES = re.compile(
    r"aichat\.json|(voices|characters|settings)\.json|conversations/[0-9]{1,9}\.json"
    r"|clips/[0-9a-f]{64}\.[a-z0-9]{1,8}"
)
ID = re.compile("[a-z0-9][a-z0-9-]{0,199}")
OTHER = "Choose a file that aichat exported."


class BadArchive(BadValue):
    """A file is no archive, or something in it is invalid; nothing of it was imported."""


@define
class Checked:
    """A valid archive."""

    archive: ZipFile
    voices: Sequence[Voice] = ()
    characters: Sequence[Character] = ()
    settings: dict[str, Any] = field(factory=dict)
    conversations: Sequence[str] = ()
    """The names of the files that hold conversations, oldest first."""

    def conversation(self, name: str) -> tuple[Conversation, list[Message]]:
        """Read one conversation."""
        archived = _decoded(self.archive, name, ArchivedConversation)
        with _in_words(name):
            return _conversation(archived.conversation), [
                _message(one, archived) for one in archived.messages
            ]

    def clips(self) -> Iterator[str]:
        """Return the keys of the recordings and pictures."""
        for name in self.archive.namelist():
            if name.startswith(layout.CLIPS):
                yield name.removeprefix(layout.CLIPS)

    def clip(self, key: str) -> bytes:
        """Read one recording or picture."""
        return _read(self.archive, layout.CLIPS + key)


def checked(file: IO[bytes]) -> Checked:
    """Validate all of *file*. Raises :class:`BadArchive`."""
    try:
        archive = ZipFile(file)
    except (BadZipFile, OSError, ValueError) as error:
        raise BadArchive("The file is no zip archive.", OTHER) from error
    names = _names(archive)
    _about(archive, names)
    found = Checked(
        archive, conversations=sorted(n for n in names if n.startswith(layout.CONVERSATIONS))
    )
    if layout.VOICES in names:
        with _in_words(layout.VOICES):
            listed = _decoded(archive, layout.VOICES, list[voices.Voice])
            found.voices = [_voice(one) for one in listed]
    if layout.CHARACTERS in names:
        with _in_words(layout.CHARACTERS):
            everybody = _decoded(archive, layout.CHARACTERS, list[records.Character])
            found.characters = [_character(one) for one in everybody]
    if layout.SETTINGS in names:
        found.settings = settings.sent(_decoded(archive, layout.SETTINGS, settings.SettingsChanges))
    for name in found.conversations:
        found.conversation(name)
    return found


def _names(archive: ZipFile) -> set[str]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES or sum(one.file_size for one in entries) > MOST_BYTES:
        raise BadArchive("The archive is too large.", "Export in parts, and take in one by one.")
    for one in entries:
        if not NAMES.fullmatch(one.filename):
            raise BadArchive(
                f"The archive holds {one.filename[:60]!r}, which is none of ours.", OTHER
            )
    return {one.filename for one in entries}


def _about(archive: ZipFile, names: Iterable[str]) -> None:
    if layout.ABOUT not in names:
        raise BadArchive("The zip is no archive of aichat: aichat.json is missing.", OTHER)
    about = _decoded(archive, layout.ABOUT, About)
    if about.format != "aichat":
        raise BadArchive("The zip is no archive of aichat.", OTHER)
    if about.version > layout.VERSION:
        raise BadArchive(
            f"A newer aichat ({about.made_by[:40]}) has written this archive.", "Update aichat."
        )


def _read(archive: ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as entry:
            data = entry.read(MOST_IN_A_FILE + 1)
    except (BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise BadArchive(f"{name} cannot be read: the archive is broken.", OTHER) from error
    if len(data) > MOST_IN_A_FILE:
        raise BadArchive(f"{name} is too large.", OTHER)
    return data


def _decoded(archive: ZipFile, name: str, kind: type[T]) -> T:
    with _in_words(name):
        return decode(_read(archive, name), kind)


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Turn errors into BadArchive with the name of the file inside the archive."""
    try:
        yield
    except BadArchive:
        raise
    except (BadValue, ValueError) as error:  # msgspec's are ValueErrors
        problem = error.problem if isinstance(error, BadValue) else str(error)
        raise BadArchive(f"{name}: {problem}", OTHER) from error


# -- from records of the REST API to ours, within the limits for clients ---------------------------


def _within(record: Struct, kind: type[Struct]) -> dict[str, Any]:
    """Validate the fields of *record* that a client could have sent, and return them."""
    given = plain(record, kind)
    msgspec.convert(given, kind)
    return given


def _voice(one: voices.Voice) -> Voice:
    require_key(one.voice, "voice")
    return Voice(**_within(one, voices.NewVoice), created_at=one.created_at)


def _character(one: records.Character) -> Character:
    if not ID.fullmatch(one.id):
        raise BadValue(f"{one.id[:60]!r} is no id of a character.", OTHER)
    given = _within(one, records.NewCharacter)
    face = one.image_url if one.image_url and is_own(one.image_url) else None
    given |= {"image_url": face, "images": [image for image in one.images if is_own(image)]}
    return Character(one.id, **given, created_at=one.created_at)


def _conversation(one: records.Conversation) -> Conversation:
    id = str(UUID(one.conversation_id))
    known = set(settings.SettingsChanges.__struct_fields__)
    msgspec.convert({k: v for k, v in one.settings.items() if k in known}, settings.SettingsChanges)
    return Conversation(
        id, one.title, one.active_characters, one.settings, one.created_at, one.updated_at
    )


def _message(one: records.Message, archived: ArchivedConversation) -> Message:
    if one.conversation_id != archived.conversation.conversation_id:
        raise BadValue("A message belongs to another conversation.", OTHER)
    given = plain(one, records.Message)
    msgspec.convert(
        {**plain(one, records.NewMessage), "content": one.content or "…"},
        records.NewMessage,
    )
    return Message(**{**given, "message_id": str(UUID(one.message_id))})
