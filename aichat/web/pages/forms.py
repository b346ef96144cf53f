"""Reads the forms of pages, and words the problems that are shown beside fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from litestar.datastructures import FormMultiDict, UploadFile

from aichat.core import AichatError, BadValue
from aichat.web.schemas.decoding import BadBody

Values = dict[str, str]
Problems = dict[str, str]
DRAWN = "drawn "
"""Before a field's name: the hidden field with what the page showed in it when it was drawn."""

IN_WORDS = (
    (re.compile(r"of length >= 1\.|matching regex"), "Write something here."),
    (re.compile(r"of length <= (\d+)\."), r"At most \1 characters, please."),
    (re.compile(r"`(?:float|int)` >= (\S+)\."), r"At least \1, please."),
    (re.compile(r"`(?:float|int)` <= (\S+)\."), r"At most \1, please."),
    (re.compile(r"Expected `int[^`]*`, got `float`"), "Write a whole number."),
    (re.compile(r"Expected `(?:float|int)"), "Write a number."),
)


def texts(form: Mapping[str, Any], names: Iterable[str]) -> Values:
    """Return the text of these fields, as people wrote it; empty where there is none."""
    return {name: text(form, name) for name in names}


def drawn(form: Mapping[str, Any], names: Iterable[str]) -> Values:
    """Return what the page showed in these fields when it was drawn, as far as the form says so."""
    return {name: text(form, DRAWN + name) for name in names if DRAWN + name in form}


def changed(form: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Name the fields that are no longer as drawn: only these are the user's wish.

    The others may be old, because somebody else has changed them meanwhile. A form that does not
    say what it was drawn with, as of a program, means all its fields.
    """
    names = list(names)
    before = drawn(form, names)
    return [name for name in names if text(form, name) != before.get(name)]


def text(form: Mapping[str, Any], name: str) -> str:
    """Return a field's text; browsers write line ends as for a teletype."""
    value = form.get(name, "")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def all_texts(form: FormMultiDict, name: str) -> list[str]:
    """Return the texts of a field that may be there several times."""
    return [one for one in form.getall(name, []) if isinstance(one, str)]


def file(form: FormMultiDict, name: str) -> UploadFile | None:
    """Return the file of a field; None where none was chosen."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def number(value: str) -> float | str | None:
    """Read a number, with a comma or a point; any other text is returned as it is, and refused."""
    try:
        read = float(value.replace(",", ".")) if value else None
    except ValueError:
        return value
    return int(read) if read is not None and read.is_integer() else read


def whole(value: str) -> int | None:
    """Read a whole number that our own page has written; None for anything else."""
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def problems(error: AichatError, renamed: Mapping[str, str] | None = None) -> Problems:
    """Return the problem of each wrong field; "" stands for the form as a whole.

    *renamed* maps the record's names of fields to the page's.
    """
    names = renamed or {}
    if isinstance(error, BadBody):
        found = {
            one.field.split("[")[0].split(".")[0]: plain(one.message) for one in error.mistakes
        }
        return {names.get(field, field): message for field, message in found.items()}
    field = error.field if isinstance(error, BadValue) else ""
    return {names.get(field, field): error.line}


def plain(message: str) -> str:
    """Turn a message of the schema into plain words."""
    for pattern, words in IN_WORDS:
        if found := pattern.search(message):
            return found.expand(words)
    return message
