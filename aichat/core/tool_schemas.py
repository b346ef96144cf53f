"""JSON schemas of functions, and checks of values against them.

:func:`schema_of` supports str, int, float, bool, None, Any, Literal, lists, mappings, unions,
attrs classes, and ``Annotated[kind, "what it is"]``. :func:`problems` checks the keywords of these,
and limits; it ignores others, which a schema written by hand may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from attrs import has

from .errors import PluginFailed

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (NoneType,),
    "array": (list,),
    "object": (dict,),
}


def schema_of(function: Callable[..., object]) -> dict[str, Any]:
    """Return the schema of the parameters of *function*, or of an attrs class.

    Raises :class:`PluginFailed`.
    """
    hints, properties, required = _hints(function), {}, []
    for name, parameter in signature(function).parameters.items():
        if parameter.kind not in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
            raise _unfit(function, name, "cannot be given by name")
        if name not in hints:
            raise _unfit(function, name, "has no annotation")
        try:
            properties[name] = _schema(hints[name])
        except TypeError as error:
            raise _unfit(function, name, f"is {error}, which JSON cannot say") from None
        if parameter.default is Parameter.empty:
            required.append(name)
        elif isinstance(parameter.default, (str, int, float)):
            properties[name]["default"] = parameter.default
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def shaped(function: Callable[..., object], given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert checked JSON to what *function* takes: attrs objects, and whole numbers."""
    hints = _hints(function)
    return {name: _shaped(hints.get(name, Any), value) for name, value in given.items()}


def problems(schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
    """Yield what is wrong with *value*, in words for a model. *where* names it."""
    if "anyOf" in schema:
        if not any(not list(problems(one, value, where)) for one in schema["anyOf"]):
            yield f"{where} fits nothing that is allowed there"
        return
    if not _is_of(schema.get("type"), value):
        yield f"{where} must be of the type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} must be one of {', '.join(map(repr, schema['enum']))}"
    yield from _beyond(schema, value, where)
    if isinstance(value, dict):
        yield from _in_object(schema, value, where)
    if isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for place, item in enumerate(value):
            yield from problems(items, item, f"{where}[{place}]")


def _is_of(types: object, value: object) -> bool:
    """Return whether *value* is of one of the *types*; true and false are no numbers."""
    names = [types] if isinstance(types, str) else types
    if not isinstance(names, list):
        return True
    if isinstance(value, bool):
        return "boolean" in names
    if isinstance(value, float) and value.is_integer() and "integer" in names:
        return True
    return any(isinstance(value, KINDS.get(name, ())) for name in names)


def _beyond(schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
    number = value if isinstance(value, int | float) else None
    length = len(value) if isinstance(value, str | list) else None
    what = "Length" if isinstance(value, str) else "Items"
    for measured, least, most in (
        (number, "minimum", "maximum"),
        (length, f"min{what}", f"max{what}"),
    ):
        if measured is None:
            continue
        if least in schema and measured < schema[least]:
            yield f"{where} is below the {least} of {schema[least]}"
        if most in schema and measured > schema[most]:
            yield f"{where} is above the {most} of {schema[most]}"


def _in_object(schema: Mapping[str, Any], value: dict[str, Any], where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}.{name} is missing"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in known:
            yield from problems(known[name], item, f"{where}.{name}")
        elif isinstance(others, Mapping):
            yield from problems(others, item, f"{where}.{name}")
        elif others is False:
            yield f"{where} have no {name[:40]!r}, only {', '.join(known) or 'nothing'}"


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    made = getattr(function, "__init__") if isinstance(function, type) else function  # noqa: B009
    hints = get_type_hints(made, include_extras=True)
    hints.pop("return", None)
    return hints


def _schema(hint: Any) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = [word for word in inner[1:] if isinstance(word, str)]
        return {**_schema(inner[0]), **({"description": " ".join(words)} if words else {})}
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(one) for one in inner]}
    if origin in (list, Sequence):
        return {"type": "array", "items": _schema(inner[0])}
    if origin in (dict, Mapping) and inner[0] is str:
        return {"type": "object", "additionalProperties": _schema(inner[1])}
    if isinstance(hint, type) and has(hint):
        return schema_of(hint)
    raise TypeError(getattr(hint, "__name__", repr(hint)))


def _shaped(hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _shaped(inner[0], value)
    if origin in (Union, UnionType):
        fitting = (one for one in inner if not list(problems(_schema(one), value, "")))
        return _shaped(next(fitting, Any), value)
    if origin in (list, Sequence) and isinstance(value, list):
        return [_shaped(inner[0], item) for item in value]
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {name: _shaped(inner[1], item) for name, item in value.items()}
    if isinstance(hint, type) and has(hint) and isinstance(value, dict):
        return hint(**shaped(hint, value))
    return int(value) if hint is int and isinstance(value, float) else value


def _unfit(function: Callable[..., object], name: str, why: str) -> PluginFailed:
    name_of_tool = getattr(function, "__name__", repr(function))
    return PluginFailed(
        f"The parameter {name} of the tool {name_of_tool} {why}.",
        "Annotate it with str, int, float, bool, Literal, list, dict or an attrs class.",
    )
