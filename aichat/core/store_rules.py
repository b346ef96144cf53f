"""Rules that every store shares, and the errors it raises; for authors of stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import attrs
from attrs import evolve

from .errors import BadValue, Conflict, NotFound
from .models import Character, Voice
from .picture_links import IMAGES
from .validators import require_json

R = TypeVar("R", bound=attrs.AttrsInstance)

_TIMES = {"created_at", "updated_at"}
_NUMBERED = re.compile("(.+)-([0-9]{3,9})")
_WORD = re.compile("[^\\W_](?:[^\\W_]|[\u0300-\u036f])*")


def changed(record: R, changes: Mapping[str, Any]) -> R:
    """Return *record* with its changes applied, and ``updated_at`` now.

    Raises :class:`~aichat.core.errors.BadValue` for a field that is its key, a time, or unknown,
    and for a value that breaks a rule.
    """
    names = [field.name for field in attrs.fields(type(record))]
    known = set(names[1:]) - _TIMES  # the first field is the key
    for name in changes:
        if name not in known:
            raise BadValue(f"{name} cannot be changed.", "Leave it out.", name)
    return evolve(record, **changes, updated_at=datetime.now(UTC))  # type: ignore[misc]


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with *changes* applied, and without those that are null."""
    require_json("settings", changes)
    return {name: value for name, value in {**settings, **changes}.items() if value is not None}


def numbered(id: str) -> tuple[str, int] | None:
    """Split a character's id into slug and number: later ids of that slug need higher ones."""
    match = _NUMBERED.fullmatch(id)
    return (match[1], int(match[2])) if match else None


def words(text: str) -> list[str]:
    """Return the words of *text* that a search compares, ignoring case: letters and digits."""
    return _WORD.findall(text)


def clip_key(data: bytes, extension: str) -> str:
    """Return the key of a clip. Takes some milliseconds for each megabyte."""
    if not re.fullmatch("[a-z0-9]{1,8}", extension):
        raise BadValue(f"{extension!r} is no extension.", "Use lower-case letters and digits.")
    return f"{sha256(data).hexdigest()}.{extension}"


def clip_keys(voice: Voice) -> set[str]:
    """Return the keys of a voice's clips."""
    return {key for key in (voice.audio_path, voice.text_path) if key is not None}


def image_keys(character: Character) -> set[str]:
    """Return the keys of the clips that a character shows."""
    shown = (character.image_url or "", *character.images)
    return {url.removeprefix(IMAGES) for url in shown if url.startswith(IMAGES)}


# -- refusals ------------------------------------------------------------------------------------


def missing(noun: str, key: str) -> NotFound:
    """Return the error for a record that does not exist."""
    return NotFound(f"There is no {noun} {key!r}.", f"Check the id of the {noun}.")


def absent(character: str) -> NotFound:
    """Return the error for a character that is not in the conversation."""
    return NotFound(f"Character {character!r} is not in this conversation.", "Look at its cast.")


def taken(noun: str, key: str) -> Conflict:
    """Return the error for a key that is taken."""
    return Conflict(f"There is a {noun} {key!r} already.", "Choose another, or change that one.")


def elsewhere(message: str) -> Conflict:
    """Return the error for a message id that is taken in another conversation."""
    return Conflict(f"Message {message!r} is in another conversation.", "Make a new id.")


def in_use(voice: str, users: Iterable[str]) -> Conflict:
    """Return the error for a voice that characters use."""
    return Conflict(f"The voice {voice!r} is used by {', '.join(users)}.", "Change theirs first.")
