"""Validators of the fields of records: what every store can keep and any program can read.

Text never holds U+0000 or lone surrogates, which PostgreSQL and UTF-8 cannot carry; free values are
plain JSON, whose whole numbers have at most 64 bits; times have a zone. A violation raises a
:class:`~aichat.core.errors.BadValue` that names the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from attrs import Attribute

from .errors import BadValue

DEEPEST = 100
"""Most levels of lists and mappings in free JSON."""


def is_storable(text: str) -> bool:
    """Return whether every store can keep *text*."""
    if "\0" in text:
        return False
    try:
        text.encode()  # many times faster than a search for lone surrogates
    except UnicodeEncodeError:
        return False
    return True


def require_json(name: str, value: object, depth: int = 0) -> None:
    """Raise :class:`BadValue`, which names *name*, unless every store can keep *value* as JSON."""
    if depth > DEEPEST:
        raise BadValue(f"{name} is nested more than {DEEPEST} deep.", "Flatten it.", name)
    if isinstance(value, str):
        _require_clean(name, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _require_key(name, key)
            require_json(name, item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            require_json(name, item, depth + 1)
    elif not (value is None or _is_number(value)):
        raise BadValue(
            f"{name} holds something that is not JSON, or a number beyond 64 bits.",
            "Use plain JSON values.",
            name,
        )


def _require_clean(name: str, text: str) -> None:
    if not is_storable(text):
        raise BadValue(
            f"{name} holds a character that cannot be stored (U+0000 or half a pair).",
            "Take it out.",
            name,
        )


def _require_key(name: str, key: object) -> None:
    if not isinstance(key, str):
        raise BadValue(f"{name} has a key that is no text.", "Use text for keys.", name)
    _require_clean(name, key)


def _is_number(value: object) -> bool:
    if isinstance(value, int):  # true and false are, too
        return -(2**63) <= value < 2**64
    return isinstance(value, float) and math.isfinite(value)


# -- validators ----------------------------------------------------------------------------------


def is_text(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is text that every store can keep."""
    if not isinstance(value, str):
        raise BadValue(f"{attribute.name} is no text.", "Write text.", attribute.name)
    if not value.isascii() or "\0" in value:  # else it is clean
        _require_clean(attribute.name, value)


def is_text_or_null(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is text or null."""
    if value is not None:
        is_text(_, attribute, value)


def are_texts(_: object, attribute: Attribute[Any], values: object) -> None:
    """The value is a list of texts."""
    if not isinstance(values, (list, tuple)):
        raise BadValue(f"{attribute.name} is no list.", "Write a list of texts.", attribute.name)
    for value in values:
        is_text(_, attribute, value)


def are_once_each(_: object, attribute: Attribute[Any], values: Sequence[str]) -> None:
    """The value is a list of texts, each there once."""
    are_texts(_, attribute, values)
    if len(set(values)) < len(values):
        raise BadValue(f"{attribute.name} holds an id twice.", "List each id once.", attribute.name)


def is_flag(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is true or false."""
    if not isinstance(value, bool):
        raise BadValue(f"{attribute.name} is neither true nor false.", "Choose.", attribute.name)


def is_number_or_null(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is a number or null."""
    if isinstance(value, bool) or not (value is None or _is_number(value)):
        raise BadValue(f"{attribute.name} is no number.", "Write a number.", attribute.name)


def is_mapping(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is free JSON by name."""
    if not isinstance(value, Mapping):
        raise BadValue(f"{attribute.name} is no mapping.", "Write one.", attribute.name)
    require_json(attribute.name, value)


def are_codes(_: object, attribute: Attribute[Any], value: object) -> None:
    """The value is null, or a list of (lists of) numbers."""
    if not (value is None or isinstance(value, (list, tuple))):
        raise BadValue(f"{attribute.name} is no list.", "Write lists of numbers.", attribute.name)
    require_json(attribute.name, value)


def one_of(choices: Any) -> Any:
    """Return a validator: the value is among those of a ``Literal``."""
    known = get_args(choices)

    def is_known(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in known:
            raise BadValue(
                f"{attribute.name} is {value!r}.",
                f"Choose from {', '.join(known)}.",
                attribute.name,
            )

    return is_known


# -- converters ----------------------------------------------------------------------------------


def utc(moment: datetime) -> datetime:
    """Return the same moment in UTC."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise BadValue("A time is none, or has no zone.", "Give a time with its zone.")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
