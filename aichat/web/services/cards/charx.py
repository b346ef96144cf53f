"""CHARX: a card of version 3 in a zip, with its pictures beside it.

Only the character's main picture is read; the card still names the others.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from aichat.core import BadValue

from .card_encoding import loaded

CARD = "card.json"
ENTRY = b"PK\x03\x04"
"""How each entry of a zip begins."""
BROKEN = (
    BadZipFile, zlib.error, struct.error, KeyError, OSError, EOFError, RuntimeError, ValueError,
)  # fmt: skip
"""What the library raises for a zip that is damaged, encrypted, or none."""
INSIDE = ("embeded://", "embedded://")
"""How a card names a file beside it; the first is the specification's own spelling."""
MOST_BYTES = 12_000_000
"""Most unpacked bytes of one file, against zip bombs."""


def is_charx(file: bytes) -> bool:
    """Return whether a file is CHARX; some begin with a picture, for viewers."""
    return file.startswith(b"PK\x03\x04") or (file.startswith(b"\xff\xd8\xff") and ENTRY in file)


def unpack(file: bytes) -> tuple[bytes, bytes | None]:
    """Return the text of the card, and its picture if it has one. Raises BadValue."""
    try:
        with ZipFile(io.BytesIO(file)) as archive:
            text = _read(archive, CARD)
            return text, _picture(archive, text)
    except BadValue:
        raise
    except BROKEN as error:
        raise BadValue(
            "The file is no CHARX, or it is damaged.", "Send it once more, or a PNG card.", "file"
        ) from error


def _read(archive: ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError("packed in a way that the format does not know")
    with archive.open(name) as entry:
        data = entry.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadValue(f"{name[:60]} in the file is too large.", "Send a smaller card.", "file")
    return data


def _picture(archive: ZipFile, text: bytes) -> bytes | None:
    """Read the main icon, else the first that is in the zip."""
    names = set(archive.namelist())
    icons = [one for one in _assets(text) if one.get("type") == "icon"]
    for one in sorted(icons, key=lambda icon: icon.get("name") != "main"):
        uri = str(one.get("uri"))
        for scheme in INSIDE:
            if uri.startswith(scheme) and (path := uri.removeprefix(scheme)) in names:
                return _read(archive, path)
    return None


def _assets(text: bytes) -> list[Mapping[str, Any]]:
    try:
        assets = loaded(text)["data"]["assets"]
    except (BadValue, KeyError, TypeError):
        return []  # what is wrong with the card is said where it is read
    return [one for one in assets if isinstance(one, dict)] if isinstance(assets, list) else []
