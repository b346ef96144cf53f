"""Reads text files in any of the encodings that editors save."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path

from aichat.core.errors import BadSettings


def read_text(path: Path, missing: str) -> str:
    """Read a file of settings: UTF-8 or UTF-16, with a byte order mark or without.

    Raises :class:`BadSettings` with the line; *missing* is the hint if it cannot be opened.
    """
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        hint = "Let your user read it." if isinstance(error, PermissionError) else missing
        raise BadSettings(f"{path} cannot be read ({error.strerror}).", hint) from error
    try:
        # of text that begins with ASCII; with a mark, of any
        text = data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadSettings(
            f"{path}, line {line}: these bytes are not UTF-8.",
            "Save the file as UTF-8, which editors offer beside its name.",
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadSettings(
            f"{path}, line {line}: this is no text (it holds a null byte).",
            "Save the file as UTF-8, which editors offer beside its name.",
        )
    return text
