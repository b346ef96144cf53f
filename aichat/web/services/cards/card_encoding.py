"""Decodes the text of a card: any Unicode encoding, any base64 alphabet.

What can be read without guessing is read; otherwise the error says what is wrong. Memory is
bounded by :data:`MOST_BYTES`, however small the file.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from aichat.core import BadValue

MOST_BYTES = 8_000_000
"""Most bytes of a card's text; some contain lorebooks."""
MOST_CODED = MOST_BYTES * 3 // 2
"""Of the same in base64, with its line ends."""
UNKEPT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)|[\ud800-\udfff]")
"""What half an emoji, or a letter that no store keeps (U+0000), may come from."""
SPACE = b" \t\r\n\0"
MOST_VALUES = 1_000_000
"""Most JSON values of a card; each takes up to 100 bytes of memory once it is parsed."""
BETWEEN_VALUES = (b",", b"[", b"{")
URL_SAFE = bytes.maketrans(b"-_", b"+/")


def unreadable(how: str) -> BadValue:
    """Make the error that says why a file is no card."""
    return BadValue(f"The file {how}.", "Send a character card, as PNG, JSON or CHARX.", "file")


def loaded(text: bytes) -> Mapping[str, Any]:
    """Read the JSON of a card. Raises BadValue."""
    if len(text) > MOST_BYTES or sum(map(text.count, BETWEEN_VALUES)) > MOST_VALUES:
        raise unreadable("holds too much")
    value = _json(text)
    if isinstance(value, str):  # some have written JSON into JSON
        value = _json(value.encode("utf-8", "surrogatepass"))
    if not isinstance(value, dict):
        raise unreadable("holds no card")
    return value


def unwrapped(coded: bytes) -> bytes:
    """Undo the base64 in which a picture holds its card; some hold it as it is. Raises BadValue."""
    if len(coded) > MOST_CODED:
        raise unreadable("holds too much")
    if coded.lstrip(SPACE).startswith(b"{"):
        return coded
    return from_base64(coded)


def from_base64(coded: bytes) -> bytes:
    """Read base64 of either alphabet, with or without line ends and padding. Raises BadValue."""
    letters = coded.translate(URL_SAFE, SPACE).rstrip(b"=")
    try:
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        raise unreadable("is damaged: what it holds is no base64") from None


def whole(value: Any) -> Any:
    """Return JSON in which every half of a pair of surrogates is a replacement character.

    Halves that stand together become the letter that they are. U+0000 is left out.
    """
    if isinstance(value, str):
        value = value.replace("\0", "")
        if value.isascii():
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {whole(key): whole(one) for key, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def _json(text: bytes) -> Any:
    text = text.rstrip(b"\0 \t\r\n") if not _is_wide(text) else text
    try:
        written = text.decode(json.detect_encoding(text), "surrogatepass")
        value = json.loads(written, parse_constant=_refuse)
        return whole(value) if UNKEPT.search(written) else value  # it copies all of it
    except UnicodeDecodeError:
        raise unreadable("holds text that is not UTF-8 (nor UTF-16)") from None
    except (ValueError, RecursionError):
        raise unreadable("holds no JSON") from None


def _is_wide(text: bytes) -> bool:
    """Return whether the text is UTF-16 or UTF-32, where a zero byte may belong to a character."""
    return json.detect_encoding(text) not in ("utf-8", "utf-8-sig")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
