"""JSON bodies, checked strictly: an answer of 400 names every field that is wrong.

msgspec stops at the first mistake, which is fast; a body with one is then looked at again, field
by field.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

import msgspec
from attrs import frozen
from litestar.datastructures import UploadFile
from litestar.dto import AbstractDTO
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition
from msgspec import NODEFAULT, Struct

from aichat.core import BadValue, is_storable

from . import known_names

T = TypeVar("T")


MOST = 100
"""Most mistakes that are reported for one body."""


@frozen
class Mistake:
    """A mistake in one field: ``name``, ``images[2]``, or in a batch ``[3].content``."""

    field: str
    message: str


class BadBody(BadValue):
    """A body breaks the schema; *mistakes* name each field."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        mistakes = mistakes[:MOST]
        listed = " ".join(f"{one.field}: {one.message}".removeprefix(": ") for one in mistakes)
        problem = f"The body is wrong. {listed}"
        super().__init__(problem, "Mend it and send it again.", mistakes[0].field)
        self.mistakes = mistakes


class Strict(AbstractDTO[Any]):
    """How Litestar reads the bodies of the API: see :func:`decode`."""

    def decode_bytes(self, value: bytes) -> Any:
        """Read a body into what the handler is annotated with."""
        wanted = self.asgi_connection.route_handler.parsed_data_field
        assert wanted is not None  # noqa: S101  (only a handler that takes a body gets here)
        return decode(value, wanted.raw)

    def decode_builtins(self, value: dict[str, Any]) -> Any:
        """Read a form into what the handler is annotated with."""
        wanted = self.asgi_connection.route_handler.parsed_data_field
        assert wanted is not None  # noqa: S101  (only a handler that takes a form gets here)
        return fill(value, wanted.raw)

    @classmethod
    def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
        """Prepare nothing: msgspec knows what to do with the annotation."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """Describe the body as it is annotated."""
        return cast(Reference | Schema, schema_creator.for_field_definition(field_definition))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:
        """Transfer nothing to another type."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Look into nothing."""
        return False


def decode(body: bytes, kind: type[T]) -> T:
    """Read a body. Raises :class:`BadBody`."""
    try:
        return _decoded(body, kind)
    except RecursionError:
        raise BadBody([Mistake("", "It is nested too deep.")]) from None


def fill(form: dict[str, Any], kind: type[T]) -> T:
    """Read a form. Raises :class:`BadBody`."""
    if found := list(_of_one(form, kind, "")):
        raise BadBody(found)
    return msgspec.convert(form, kind, dec_hook=_as_it_is)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        decoded: T = _decoder(cast(Hashable, kind)).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(list(_mistakes(body, kind)) or [Mistake(*_place(str(error)))]) from None
    if rb"\u0000" in body and (found := list(_unkept(json.loads(body), ""))):
        raise BadBody(found)
    return decoded


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind))


def _mistakes(body: bytes, kind: Any) -> Iterator[Mistake]:
    """Yield every mistake; none if the body is no JSON at all."""
    try:
        loaded = json.loads(body)  # takes half surrogate pairs, so that their field can be named
    except ValueError:
        return
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(kind) is list and isinstance(loaded, list):
        (inner,) = get_args(kind)
        for place, item in enumerate(loaded):
            yield from _of_one(item, inner, f"[{place}]")
    else:
        yield from _of_one(loaded, kind, "")


def _of_one(value: Any, kind: Any, where: str) -> Iterator[Mistake]:
    struct = next((one for one in (kind, *get_args(kind)) if _is_struct(one)), None)
    if isinstance(value, dict) and struct:
        yield from _of_fields(value, struct, f"{where}." if where else "")
        return
    yield from _unkept(value, where)
    yield from _misfit(value, kind, where)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _of_fields(value: dict[str, Any], kind: type[Struct], before: str) -> Iterator[Mistake]:
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    for name in (name for name in value if name not in fields):
        known = f"There is no such field. There are: {', '.join(fields)}."
        yield Mistake(_shown(before + name), known)
    for name, one in fields.items():
        if name in value:
            yield from _of_one(value[name], one.type, before + name)
        elif one.default is NODEFAULT and one.default_factory is NODEFAULT:
            yield Mistake(before + name, "It is missing.")


def _misfit(value: Any, kind: Any, where: str) -> Iterator[Mistake]:
    try:
        msgspec.convert(value, kind, dec_hook=_as_it_is)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        inside, message = _place(str(error))
        yield Mistake(where + inside, message)
    else:
        if wrong := known_names.mistake(value, kind):
            yield Mistake(where, f"{wrong}.")


def _as_it_is(kind: type[T], value: Any) -> T:
    """Accept a value that JSON cannot hold, such as an uploaded file, if it has the right type."""
    if not isinstance(value, kind):
        raise ValueError(f"Expected a {'file' if kind is UploadFile else kind.__name__}")
    return value


def _place(error: str) -> tuple[str, str]:
    """Split msgspec's words into the place and the mistake."""
    message, _, place = error.partition(" - at `$")
    return place.rstrip("`").lstrip("."), message + "."


def _unkept(value: Any, where: str) -> Iterator[Mistake]:
    """Yield a mistake for each text that no store can keep."""
    if isinstance(value, str) and not is_storable(value):
        yield Mistake(where, "It holds U+0000 or half of a surrogate pair, which cannot be stored.")
    elif isinstance(value, dict):
        for key, item in value.items():
            inside = f"{where}.{_shown(key)}" if where else _shown(key)
            yield from _unkept(key, inside)
            yield from _unkept(item, inside)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _unkept(item, f"{where}[{place}]")


def _shown(key: str) -> str:
    """Return a key shortened and cleaned, fit to be sent back."""
    return key[:100].encode("utf-8", "replace").decode().replace("\0", "?")
