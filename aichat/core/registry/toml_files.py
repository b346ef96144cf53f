"""Reads TOML files, and reports the line of every syntax error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aichat.core.errors import BadSettings

from .mistakes import Mistakes, Places
from .text_decoding import read_text

MOST_BYTES = 1_000_000
"""Most letters of a file of settings."""
FAULT = re.compile(r"\(at line (?P<line>\d+), column \d+\)$")
MOST = 10
"""Most lines that are reported; one may be wrong only because of another."""


def load(path: Path) -> tuple[dict[str, Any], Places]:
    """Return a file's tables, and the line of each. Raises :class:`BadSettings`."""
    import tomllib  # here, as a program that passes its settings needs none

    text = read_text(path, "Set AICHAT_CONFIG to a plugins.toml.")
    if len(text) > MOST_BYTES:
        raise BadSettings(f"{path} is too large for settings.", "Name the right file.")
    try:
        return tomllib.loads(text), places_in(text)
    except (ValueError, RecursionError):  # a number of many digits is no TOMLDecodeError
        _raise_all(path, text)
        raise


def _raise_all(path: Path, text: str) -> None:
    """Raise all syntax errors: after each, the rest is parsed without that line."""
    import tomllib

    found, lines = Mistakes(path), text.split("\n")
    while len(found.found) < MOST:
        try:
            tomllib.loads("\n".join(lines))
            break
        except RecursionError:
            found.add((), "it is nested too deep.", "Write it flat.")
            break
        except ValueError as error:
            line = _line_of(error, "\n".join(lines))
            found.places = {("",): line}
            what = str(error).partition(" (at ")[0]
            found.add(("",), f"this is not TOML: {what}.", "Correct that line.")
            # without a header, or a part of a value, all that follows would seem wrong
            if lines[line - 1].lstrip().startswith("[") or "(at line" not in str(error):
                break
            lines[line - 1] = ""
    found.check()


def _line_of(error: ValueError, text: str) -> int:
    if at := FAULT.search(str(error)):
        return int(at["line"])
    return max((line for line, _, _ in pieces_of(text)), default=1)  # at its end


def places_in(text: str) -> Places:
    """Return the line of every table and key of a TOML file."""
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for line, piece, read in pieces_of(text):
        if piece.lstrip().startswith("["):
            table = max(_paths(read), key=len, default=())
            places.setdefault(table, line)
        else:
            for path in _paths(read):
                places.setdefault((*table, *path), line)
    return places


def pieces_of(text: str) -> Iterator[tuple[int, str, Any]]:
    """Yield each header, and each key with its value: first line, text, and parsed value.

    Each is TOML by itself. The last may be unfinished; its value is None.
    """
    import tomllib

    piece, began = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        piece += line + "\n"
        try:
            read = tomllib.loads(piece)
        except (ValueError, RecursionError):
            continue  # its value goes on in the next line
        if piece.strip():
            yield began, piece, read
        piece, began = "", number + 1
    if piece:
        yield began, piece, None


def _paths(read: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    tables = read[-1:] if isinstance(read, list) else [read]
    for one in tables:
        for key, value in one.items() if isinstance(one, dict) else ():
            yield (*above, key)
            yield from _paths(value, (*above, key))
