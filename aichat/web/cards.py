"""Character cards, as SillyTavern and others exchange them: V1, V2 and V3; JSON, PNG or CHARX.

What a card holds beyond our fields is kept in ``extensions["card"]`` and written back unchanged.
Our own, which no other program reads, are in ``extensions["aichat"]`` of the card.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from aichat.core import BadValue, Character, Voice

from . import charx

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 8_000_000
"""Of the text of a card; there are lorebooks in some."""
KEYWORDS = ("ccv3", "chara")
"""Where a PNG has its card; the first one wins."""
V1 = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
TOLD = ("system_prompt", "description", "personality", "scenario", "mes_example")
"""Fields that make up our system prompt, in order."""
TITLES = {"personality": "Personality", "scenario": "Scenario", "mes_example": "How it talks"}
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys([*V1, "creator_notes", "system_prompt", "post_history_instructions"], ""),
    **{"alternate_greetings": [], "tags": [], "creator": "", "character_version": ""},
    **{"extensions": {}, "group_only_greetings": []},
}
"""What a V3 card must have."""


@frozen
class Clip:
    """What a cloned voice is made of: a recording, its words, and when the speaker agreed."""

    audio: bytes
    transcript: str
    consent: str | None


@frozen
class Card:
    """What a card comes to: fields of a character, its voice if it has one, its picture.

    A cloned voice has a *clip* as well.
    """

    fields: dict[str, Any]
    voice: dict[str, Any] | None
    picture: bytes | None
    clip: Clip | None = None


def read(file: bytes) -> Card:
    """Read a card. Raises BadValue for a file that is none."""
    picture: bytes | None = None
    if file.startswith(SIGNATURE):
        text, picture = _text_of(file), file
    elif charx.is_charx(file):
        text, picture = charx.unpack(file)
    else:
        text = file
    data = _data(_loaded(text))
    extensions = dict(_mapping(data.get("extensions")))
    ours = _mapping(extensions.pop("aichat", None))
    kept = {key: value for key, value in data.items() if key not in ("name", "extensions")}
    fields = {
        "name": _text(data, "name").strip(),
        "system_prompt": _prompt(data, _text(data, "name")),
        "greeting": _filled(_text(data, "first_mes"), _text(data, "name")) or None,
        "model": ours.get("model"),
        "temperature": ours.get("temperature"),
        "extensions": {**extensions, "card": kept},
    }
    voice = dict(_mapping(ours.get("voice")))
    clip = _clip(voice.pop("clip", None))
    return Card(fields, voice or None, picture, clip)


def write(who: Character, voice: Voice | None, clip: Clip | None = None) -> dict[str, Any]:
    """Return a V3 card of a character, and of its voice; a cloned one needs its *clip*."""
    extensions = dict(who.extensions)
    data = {**EMPTY, **_mapping(extensions.pop("card", None)), "name": who.name}
    if _prompt(data, who.name) != who.system_prompt:
        data |= {**dict.fromkeys(TOLD, ""), "description": who.system_prompt}
    if _filled(_text(data, "first_mes"), who.name) != (who.greeting or ""):
        data["first_mes"] = who.greeting or ""
    ours: dict[str, Any] = {"model": who.model, "temperature": who.temperature}
    if voice and (voice.method == "description" or clip):
        names = ("voice", "speaker_desc", "scene_prompt", "settings")
        ours["voice"] = {name: getattr(voice, name) for name in names}
    if voice and clip:
        coded = base64.b64encode(clip.audio).decode()
        kept = {"audio": coded, "transcript": clip.transcript, "consent": clip.consent}
        ours["voice"] |= {"method": "clone", "clip": kept}
    data["extensions"] = {**extensions, "aichat": {k: v for k, v in ours.items() if v is not None}}
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}


def _clip(value: Any) -> Clip | None:
    if not (given := _mapping(value)):
        return None
    try:
        audio = base64.b64decode(_text(given, "audio"), validate=True)
    except (binascii.Error, ValueError):
        raise _unreadable("holds a voice that is damaged") from None
    return Clip(audio, _text(given, "transcript"), _text(given, "consent") or None)


# -- what a character is told ----------------------------------------------------------------------


def _prompt(data: Mapping[str, Any], name: str) -> str:
    told = [(field, _filled(_text(data, field), name).strip()) for field in TOLD]
    return "\n\n".join(
        f"{TITLES[field]}: {text}" if field in TITLES else text for field, text in told if text
    )


def _filled(text: str, name: str) -> str:
    """Put names in where a card leaves room for them; {{original}} is a prompt that we have not."""
    text = re.sub(r"\{\{original\}\}", "", text, flags=re.IGNORECASE)
    text = re.sub(r"\{\{char\}\}|<bot>", lambda _: name, text, flags=re.IGNORECASE)
    return re.sub(r"\{\{user\}\}|<user>", "the user", text, flags=re.IGNORECASE)


# -- JSON ------------------------------------------------------------------------------------------


def _loaded(text: bytes) -> Mapping[str, Any]:
    if len(text) > MOST_BYTES:
        raise _unreadable("holds too much")
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable("holds no JSON") from None
    if not isinstance(loaded, dict):
        raise _unreadable("holds no card")
    return loaded


def _data(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a card of any version."""
    if isinstance(data := loaded.get("data"), dict) and "name" in data:
        return data
    if "name" in loaded and any(field in loaded for field in V1[1:]):
        return {key: value for key, value in loaded.items() if key in V1}
    raise _unreadable("holds no card")


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field, "")
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _unreadable(how: str) -> BadValue:
    return BadValue(f"The file {how}.", "Send a character card, as PNG, JSON or CHARX.", "file")


# -- PNG -------------------------------------------------------------------------------------------


def in_picture(png: bytes, card: Mapping[str, Any]) -> bytes:
    """Write a card into a PNG, under both names, instead of any that it holds."""
    written = base64.b64encode(json.dumps(card, ensure_ascii=False).encode())
    chunks = [
        (kind, data)
        for kind, data in _chunks(png)
        if kind != b"tEXt" or data.partition(b"\0")[0].lower() not in (b"ccv3", b"chara")
    ]
    texts = [(b"tEXt", name.encode() + b"\0" + written) for name in KEYWORDS]
    return SIGNATURE + b"".join(_chunk(*one) for one in (*chunks[:-1], *texts, chunks[-1]))


def plain_picture(colour: str, side: int = 256) -> bytes:
    """Make a PNG of one colour (``#rrggbb``), for whoever has no picture."""
    row = b"\0" + bytes.fromhex(colour[1:]) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row * side)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(*one) for one in chunks)


def _text_of(png: bytes) -> bytes:
    texts = [data.partition(b"\0") for kind, data in _chunks(png) if kind == b"tEXt"]
    found = {name.decode("latin-1").lower(): value for name, _, value in texts}
    coded = next((found[name] for name in KEYWORDS if name in found), None)
    if coded is None:
        raise _unreadable("is a picture without a card in it")
    if len(coded) > MOST_BYTES * 4 // 3 + 4:
        raise _unreadable("holds too much")
    try:
        return base64.b64decode(coded, validate=True)
    except binascii.Error:
        raise _unreadable("is damaged") from None


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        end = at + 12 + length
        if end > len(png) or zlib.crc32(kind + data) != struct.unpack_from(">I", png, end - 4)[0]:
            raise _unreadable("is damaged")
        yield kind, data
        if kind == b"IEND":
            return
        at = end
    raise _unreadable("is damaged")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
