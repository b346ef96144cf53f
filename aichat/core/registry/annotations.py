"""Types of settings, read from the annotations of their parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import isclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def hints(make: Callable[..., Any], *, marked: bool = False) -> dict[str, Any]:
    """Return the annotations of a backend's parameters; *marked*: with what ``Annotated`` adds.

    Those that a class inherits are read as the modules of its base classes mean them.
    """
    if not isclass(make):
        return get_type_hints(make, include_extras=marked)
    known: dict[str, Any] = {}
    for base in reversed(make.__mro__):
        known |= vars(sys.modules[base.__module__])
    return get_type_hints(make.__init__, localns=known, include_extras=marked)


def kinds(hint: Any) -> tuple[Any, ...]:
    """Return the classes that a setting may have; Any where that is unknown."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for one in get_args(hint) for kind in kinds(one))
    if get_origin(hint) is Literal:
        return tuple({type(choice): None for choice in get_args(hint)})
    origin = get_origin(hint) or hint
    return (origin,) if isinstance(origin, type) else (Any,)


def choices(hint: Any, value: Any) -> tuple[Any, ...]:
    """Return the values a Literal allows; where there is no Literal, *value* itself."""
    return get_args(hint) if get_origin(hint) is Literal else (value,)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a setting may have this value."""
    known = kinds(hint)
    if Any in known:
        return True
    if isinstance(value, bool):
        is_of_kind = bool in known
    elif isinstance(value, float) and not isfinite(value):
        return False  # TOML knows nan and inf; no setting means anything by them
    else:
        is_of_kind = any(isinstance(value, (int, float) if k is float else k) for k in known)
    return is_of_kind and value in choices(hint, value)


def wanted(hint: Any) -> str:
    """Return a hint on what a setting takes."""
    if get_origin(hint) is Literal:
        return f"It takes: {' or '.join(repr(choice) for choice in get_args(hint))}."
    return f"It takes: {' or '.join(k.__name__ for k in kinds(hint) if k is not NoneType)}."
