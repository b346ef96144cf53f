"""Records to plain JSON values and back, under the field names of the outside contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from math import isfinite
from typing import Any, TypeVar

import attrs

from aichat.core import BadValue, is_storable
from aichat.core.store_rules import words

R = TypeVar("R", bound=attrs.AttrsInstance)

TIMES = ("created_at", "updated_at")
LISTS = ("images", "active_characters", "audio_tokens")

LONG = 64
"""Letters in a word that an index of PostgreSQL surely takes; its limit is 2.7 kB."""


def fields(record: attrs.AttrsInstance) -> dict[str, Any]:
    """Return the fields of a record as plain JSON values."""
    return {field.name: plain(getattr(record, field.name)) for field in attrs.fields(type(record))}


def record(kind: type[R], row: Mapping[str, Any]) -> R:
    """Make a record of what came back; other columns of the row do not matter."""
    return kind(**{f.name: _read(f.name, row[f.name]) for f in attrs.fields(kind)})


def searchable(text: str) -> list[str]:
    """Return the words of *text*, once each; an index takes long ones only as their hash."""
    lower = dict.fromkeys(word.lower() for word in words(text))
    return [word if len(word) <= LONG else _hash(word) for word in lower]


def _hash(word: str) -> str:
    return blake2b(word.encode(), digest_size=16).hexdigest()


def plain(value: Any) -> Any:
    """Return *value* as dicts, lists and scalars, or raise :class:`BadValue` if it is not JSON."""
    if isinstance(value, str):
        if not is_storable(value):
            raise BadValue("A text holds U+0000 or half a character.", "Take it out.")
        return value
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(item) for item in value]
    raise BadValue(f"{type(value).__name__} is not JSON.", "Use plain JSON values.")


def _read(name: str, value: Any) -> Any:
    if name in TIMES:
        return datetime.fromisoformat(value).astimezone(UTC)
    if name in LISTS and value is not None:
        return tuple(value)
    if name == "temperature" and value is not None:
        return float(value)  # 1.0 comes back as 1
    return value
