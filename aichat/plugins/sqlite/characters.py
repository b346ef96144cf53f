"""Characters and voices: jobs for the threads of the store."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from attrs import evolve

from aichat.core import Character, FieldChanges, Voice, slug
from aichat.core.store_rules import changed, clip_keys, in_use, numbered

from . import clips
from .records import CHARACTERS, VOICES

OLDEST_FIRST = "order by created_at, rowid"


def characters(connection: Connection, active: bool | None) -> Sequence[Character]:
    """Return all, or those that are (in)active."""
    rest = f"where ?1 is null or is_active = ?1 {OLDEST_FIRST}"
    return CHARACTERS.select(connection, rest, active)


def add_character(connection: Connection, character: Character) -> Character:
    """Add a character, with the next id of its name if it has none."""
    if not character.id:
        character = evolve(character, id=_next_id(connection, character.name))
    _require_voice(connection, character)
    CHARACTERS.add(connection, character)
    _count(connection, character.id)
    return character


def change_character(connection: Connection, id: str, changes: FieldChanges) -> Character:
    """Change fields of a character."""
    character = changed(CHARACTERS.find(connection, id), changes)
    _require_voice(connection, character)
    CHARACTERS.put(connection, character)
    return character


def _next_id(connection: Connection, name: str) -> str:
    base = slug(name)
    query = "select max(number) from character_numbers where slug = ?"
    highest = connection.execute(query, (base,)).fetchone()[0] or 0
    return f"{base}-{highest + 1:03}"


def _count(connection: Connection, id: str) -> None:
    """Remember the number of an id, so that no other character gets it."""
    if slug_and_number := numbered(id):
        connection.execute(
            "insert into character_numbers (slug, number) values (?, ?) "
            "on conflict (slug) do update set number = max(number, excluded.number)",
            slug_and_number,
        )


def _require_voice(connection: Connection, character: Character) -> None:
    if character.voice is not None:
        VOICES.require(connection, character.voice)


def voices(connection: Connection) -> Sequence[Voice]:
    """Return all voices."""
    return VOICES.select(connection, OLDEST_FIRST)


def add_voice(connection: Connection, voice: Voice) -> Voice:
    """Add a voice whose clips are there."""
    clips.require(connection, clip_keys(voice))
    return VOICES.add(connection, voice)


def change_voice(
    connection: Connection, key: str, changes: FieldChanges
) -> tuple[Voice, list[str]]:
    """Change fields of a voice; return it, and the clips that went with the change."""
    before = VOICES.find(connection, key)
    voice = changed(before, changes)
    clips.require(connection, clip_keys(voice))
    VOICES.put(connection, voice)
    return voice, clips.forget(connection, clip_keys(before))


def delete_voice(connection: Connection, key: str) -> list[str]:
    """Remove a voice that no character uses; return the clips that went with it."""
    voice = VOICES.find(connection, key)
    if users := CHARACTERS.select(connection, f"where voice = ? {OLDEST_FIRST}", key):
        raise in_use(key, [character.name for character in users])
    VOICES.delete(connection, key)
    return clips.forget(connection, clip_keys(voice))
