"""Records to rows and back. A column has the name of the record's field."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import attrs

from aichat.core import BadValue, Character, Conversation, Message, NotFound, Voice

R = TypeVar("R", bound=attrs.AttrsInstance)


def iso(moment: datetime) -> str:
    """Write a time down so that later ones sort behind it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, default=_container)
    except (TypeError, ValueError) as error:
        raise BadValue(f"A value is not JSON ({error}).", "Use plain JSON values.") from error


def _container(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON type")


def _list(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _same(value: Any) -> Any:
    return value


def _maybe(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_PLAIN: Codec = (_same, _same)
_TIME: Codec = (iso, datetime.fromisoformat)
_LIST: Codec = (_to_json, _list)
_MAPPING: Codec = (_to_json, json.loads)
_FLAG: Codec = (int, bool)

CODECS: dict[str, Codec] = {
    "created_at": _TIME,
    "updated_at": _TIME,
    "images": _LIST,
    "active_characters": _LIST,
    "audio_tokens": (_maybe(_to_json), _maybe(_list)),
    "settings": _MAPPING,
    "extensions": _MAPPING,
    "is_active": _FLAG,
    "interrupted": _FLAG,
}


class Table(Generic[R]):
    """How records of one kind are kept."""

    def __init__(self, name: str, kind: type[R], key: str) -> None:
        self.kind, self.key = kind, key
        self._noun = kind.__name__.lower()
        names = [field.name for field in attrs.fields(kind)]
        self._codecs = [(name, *CODECS.get(name, _PLAIN)) for name in names]
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
        # the names come from our own classes, the values are bound
        self._select = f"select {columns} from {name} "  # noqa: S608
        self._put = (
            f"insert into {name} ({columns}) values ({marks}) "  # noqa: S608
            f"on conflict ({key}) do update set {changes}"
        )

    def put(self, connection: sqlite3.Connection, record: R) -> None:
        """Add a record, or replace the one with its key, in place."""
        row = [pack(getattr(record, name)) for name, pack, _ in self._codecs]
        connection.execute(self._put, row)

    def find(self, connection: sqlite3.Connection, key: str) -> R:
        """Return the record with this key, or raise :class:`NotFound`."""
        for record in self.select(connection, f"where {self.key} = ?", key):
            return record
        raise missing(self._noun, key)

    def select(self, connection: sqlite3.Connection, rest: str, *values: object) -> list[R]:
        """Return the records that *rest*, the end of a select statement, asks for."""
        return [self._record(row) for row in connection.execute(self._select + rest, values)]

    def _record(self, row: tuple[Any, ...]) -> R:
        pairs = zip(self._codecs, row, strict=True)
        return self.kind(**{name: unpack(value) for (name, _, unpack), value in pairs})


def missing(noun: str, key: str) -> NotFound:
    """Say that there is no such record."""
    return NotFound(f"There is no {noun} {key!r}.", f"Check the id of the {noun}.")


VOICES = Table("voices", Voice, "voice")
CHARACTERS = Table("characters", Character, "id")
CONVERSATIONS = Table("conversations", Conversation, "conversation_id")
MESSAGES = Table("messages", Message, "message_id")
