"""Fields that name one of what is known while aichat runs, such as a turn-taking strategy.

A Literal is settled when its module is imported; these follow what is there when a value comes::

    strategy: Annotated[str, one_of(STRATEGIES)] | None = None
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Protocol, get_args, get_origin

import msgspec
from msgspec import Meta, Struct


class Described(Protocol):
    """What a field may name."""

    @property
    def description(self) -> str:
        """What the API's document says of it."""
        ...


Known = Mapping[str, Described]


def one_of(known: Known) -> Meta:
    """Mark a text that must be a key of *known*."""
    return Meta(extra={"one_of": known})


def known_names(hint: Any) -> Known | None:
    """Return what a field of this type may name; None if it is no such field."""
    if get_origin(hint) is Annotated:
        marks = [mark.extra or {} for mark in get_args(hint)[1:] if isinstance(mark, Meta)]
        return next((mark["one_of"] for mark in marks if "one_of" in mark), None)
    return next(filter(None, map(known_names, get_args(hint))), None)


def mistake(value: object, hint: Any) -> str:
    """Return what is wrong with a value as the name of something; nothing if it is right."""
    known = known_names(hint) if isinstance(value, str) else None
    if known is None or value in known:
        return ""
    return f"Expected one of {', '.join(map(repr, known))}, got {value!r:.60}"


class NamesChecked(Struct):
    """A base class that refuses unknown names when it is decoded, in whatever way."""

    def __post_init__(self) -> None:
        for name, hint in _fields(type(self)):
            if wrong := mistake(getattr(self, name), hint):
                raise ValueError(f"{name}: {wrong}")


@cache
def _fields(kind: type[Struct]) -> list[tuple[str, Any]]:
    return [(one.name, one.type) for one in msgspec.structs.fields(kind) if known_names(one.type)]


def with_names(kind: type[Struct], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a struct with the names that are known now."""
    properties = dict(schema.get("properties", {}))
    for name, hint in _fields(kind):
        properties[name] = _named(properties[name], known_names(hint) or {})
    return {**schema, "properties": properties} if properties else schema


def _named(schema: dict[str, Any], known: Known) -> dict[str, Any]:
    """Add the names where the schema has a text."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_named(one, known) for one in schema["anyOf"]]}
    if schema.get("type") != "string":
        return schema
    described = "; ".join(f"`{name}`: {one.description}" for name, one in known.items())
    return {**schema, "enum": list(known), "description": described}
