"""Records to rows and back. A column has the name of the record's field."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import attrs

from aichat.core import Character, Conversation, Message, Voice
from aichat.core.store_rules import missing, taken

R = TypeVar("R", bound=attrs.AttrsInstance)


def iso(moment: datetime) -> str:
    """Write a time down so that later ones sort behind it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_json(value: Any) -> str:
    """Write a value down that :func:`aichat.core.require_json` has passed."""
    return json.dumps(value, allow_nan=False, default=dict)  # dict, for other kinds of mapping


def _list(text: str) -> tuple[Any, ...]:
    return () if text == "[]" else tuple(json.loads(text))


def _mapping(text: str) -> Any:
    return {} if text == "{}" else json.loads(text)  # most are empty, and loads is slow at that


def _same(value: Any) -> Any:
    return value


def _maybe(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_PLAIN: Codec = (_same, _same)
_TIME: Codec = (iso, datetime.fromisoformat)
_LIST: Codec = (to_json, _list)
_MAPPING: Codec = (to_json, _mapping)
_FLAG: Codec = (int, bool)

CODECS: dict[str, Codec] = {
    "created_at": _TIME,
    "updated_at": _TIME,
    "images": _LIST,
    "active_characters": _LIST,
    "audio_tokens": (_maybe(to_json), _maybe(_list)),
    "settings": _MAPPING,
    "extensions": _MAPPING,
    "is_active": _FLAG,
    "interrupted": _FLAG,
}


class Table(Generic[R]):
    """How records of one kind are kept."""

    def __init__(self, name: str, kind: type[R], key: str, home: str = "") -> None:
        self.kind, self.key = kind, key
        self._noun = kind.__name__.lower()
        names = [field.name for field in attrs.fields(kind)]
        self._packs = [(name, CODECS.get(name, _PLAIN)[0]) for name in names]
        unpacks = [(place, CODECS.get(name)) for place, name in enumerate(names)]
        self._unpacks = [(place, codec[1]) for place, codec in unpacks if codec]
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
        # the names come from our own classes, the values are bound
        self._select = f"select {columns} from {name} "  # noqa: S608
        self._exists = f"select 1 from {name} where {key} = ?"  # noqa: S608
        self._insert = f"insert into {name} ({columns}) values ({marks}) on conflict ({key}) do "  # noqa: S608
        stays = f" where {name}.{home} = excluded.{home}" if home else ""
        self._replace = f"{self._insert} update set {changes}{stays}"
        self._delete = f"delete from {name} where {key} = ?"  # noqa: S608

    def add(self, connection: sqlite3.Connection, record: R) -> R:
        """Add a record, and return it. Raises Conflict when there is one with its key."""
        if not connection.execute(self._insert + "nothing", self._row(record)).rowcount:
            raise taken(self._noun, getattr(record, self.key))
        return record

    def put(self, connection: sqlite3.Connection, record: R) -> bool:
        """Add a record, or replace the one with its key, in place, if it has the same *home*.

        Returns whether that was done.
        """
        return connection.execute(self._replace, self._row(record)).rowcount > 0

    def delete(self, connection: sqlite3.Connection, key: str) -> None:
        """Remove the record with this key. Raises NotFound."""
        if not connection.execute(self._delete, (key,)).rowcount:
            raise missing(self._noun, key)

    def require(self, connection: sqlite3.Connection, key: str) -> None:
        """Raise NotFound unless there is a record with this key."""
        if connection.execute(self._exists, (key,)).fetchone() is None:
            raise missing(self._noun, key)

    def find(self, connection: sqlite3.Connection, key: str) -> R:
        """Return the record with this key. Raises NotFound."""
        for record in self.select(connection, f"where {self.key} = ?", key):
            return record
        raise missing(self._noun, key)

    def select(self, connection: sqlite3.Connection, rest: str, *values: object) -> list[R]:
        """Return the records that *rest*, the end of a select statement, asks for."""
        return [self._record(row) for row in connection.execute(self._select + rest, values)]

    def _row(self, record: R) -> list[Any]:
        return [pack(getattr(record, name)) for name, pack in self._packs]

    def _record(self, row: tuple[Any, ...]) -> R:
        fields = list(row)  # the columns have the order of the fields
        for place, unpack in self._unpacks:
            fields[place] = unpack(fields[place])
        return self.kind(*fields)


VOICES = Table("voices", Voice, "voice")
CHARACTERS = Table("characters", Character, "id")
CONVERSATIONS = Table("conversations", Conversation, "conversation_id")
MESSAGES = Table("messages", Message, "message_id", home="conversation_id")

MANY = 2**62


def bounded(number: int) -> int:
    """Keep a count where SQLite can take it; below zero it would mean "no limit"."""
    return max(0, min(number, MANY))
