"""Cards in PNG pictures: in a text chunk of any kind (tEXt, zTXt, iTXt), packed or not."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aichat.core import BadValue

from .card_encoding import MOST_CODED, loaded, unreadable, unwrapped

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORDS = ("ccv3", "chara")
"""Where a PNG has its card; the first one that can be read wins."""
MOST_TRIES = 6
"""Most chunks that are unpacked to find one that can be read."""
Fields = Callable[[Mapping[str, Any]], Mapping[str, Any]]
TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def card_in(png: bytes, fields: Fields) -> Mapping[str, Any]:
    """Return the *fields* of the card in a picture, which takes its JSON. Raises BadValue."""
    found = sorted(_texts(png), key=lambda one: KEYWORDS.index(one[0]))[:MOST_TRIES]
    if not found:
        raise unreadable("is a picture without a card in it")
    problem: BadValue | None = None
    for _, kind, data in found:
        try:
            return fields(loaded(unwrapped(_unpacked(kind, data))))
        except BadValue as error:
            problem = problem or error  # another chunk may hold it whole
    raise problem or unreadable("is damaged")


def in_picture(png: bytes, card: Mapping[str, Any]) -> bytes:
    """Write a card into a PNG, under both names, instead of any that it holds."""
    written = base64.b64encode(json.dumps(card, ensure_ascii=False).encode())
    chunks = [(kind, data) for kind, data in _chunks(png) if not _keyword(kind, data)]
    texts = [(b"tEXt", name.encode() + b"\0" + written) for name in KEYWORDS]
    return SIGNATURE + b"".join(_chunk(*one) for one in (*chunks[:-1], *texts, chunks[-1]))


def plain_picture(colour: str, side: int = 256) -> bytes:
    """Make a PNG of one colour (``#rrggbb``), for a character without a picture."""
    row = b"\0" + bytes.fromhex(colour[1:]) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row * side)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(*one) for one in chunks)


def _texts(png: bytes) -> list[tuple[str, bytes, bytes]]:
    """Find the chunks with cards: keyword, kind and what follows the keyword; the last ones first.

    A program that adds its card to a picture leaves the older one before it.
    """
    found = []
    for kind, data in _chunks(png):
        if word := _keyword(kind, data):
            found.append((word, kind, data.partition(b"\0")[2]))
    return found[::-1]


def _keyword(kind: bytes, data: bytes) -> str | None:
    """Return the keyword of a chunk that holds a card."""
    if kind not in TEXTS:
        return None
    word = data[:80].partition(b"\0")[0].strip().lower().decode("latin-1")
    return word if word in KEYWORDS else None


def _unpacked(kind: bytes, data: bytes) -> bytes:
    """Return the text of a chunk, as UTF-8 as far as that is known."""
    if kind == b"tEXt":
        return _from_latin(data)
    if kind == b"zTXt":
        return _from_latin(_inflated(data[1:]))
    is_packed, rest = data[:1] == b"\1", data[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]  # after the language, and its keyword
    return _inflated(text) if is_packed else text


def _from_latin(text: bytes) -> bytes:
    """Text of these chunks is Latin-1 by the specification, which few programs know."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


def _inflated(packed: bytes) -> bytes:
    """Undo zlib, for no more bytes than a card may have."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, MOST_CODED + 1)
    except zlib.error:
        raise unreadable("is damaged: what it holds cannot be unpacked") from None
    if len(text) > MOST_CODED:
        raise unreadable("holds too much")
    if not unpacking.eof:
        raise unreadable("is damaged: what it holds is cut off")
    return text


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        end = at + 12 + length
        if end > len(png) or zlib.crc32(kind + data) != struct.unpack_from(">I", png, end - 4)[0]:
            raise unreadable("is damaged")
        yield kind, data
        if kind == b"IEND":
            return
        at = end
    raise unreadable("is damaged")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
