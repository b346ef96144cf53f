"""Character cards, as SillyTavern and others exchange them: V1, V2 and V3; JSON, PNG or CHARX.

What a card holds beyond our fields is kept in ``extensions["card"]`` and written back unchanged.
Our own, which no other program reads, are in ``extensions["aichat"]`` of the card. A card comes
from a stranger: what would decide about cost or power (model, temperature, tools, limits) is kept
in ``extensions["proposed"]``, for the user to accept or not.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

from attrs import frozen

from aichat.core import BadValue, Character, Voice
from aichat.web.schemas.settings import KNOWN, check_extensions

from . import charx
from .card_encoding import from_base64, loaded, unreadable, whole
from .png import SIGNATURE, card_in, in_picture, plain_picture

__all__ = ["Card", "Clip", "in_picture", "plain_picture", "read", "write"]

V1 = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
OLDEST = {
    "name": "char_name",
    "description": "char_persona",
    "scenario": "world_scenario",
    "first_mes": "char_greeting",
    "mes_example": "example_dialogue",
}
"""What the fields were called before version 1."""
LIFTED = ("talkativeness",)
"""Extensions of a card that mean the same here, and decide neither cost nor power."""
PROMPT_FIELDS = ("system_prompt", "description", "personality", "scenario", "mes_example")
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
    """The source of a cloned voice: a recording, its words, and when the speaker consented."""

    audio: bytes
    transcript: str
    consent: str | None


@frozen
class Card:
    """A card that was read: fields of a character, its voice if it has one, its picture.

    A cloned voice has a *clip* as well.
    """

    fields: dict[str, Any]
    voice: dict[str, Any] | None
    picture: bytes | None
    clip: Clip | None = None


def read(file: bytes) -> Card:
    """Read a card. Raises BadValue for any other file."""
    data, picture = _opened(file)
    extensions = dict(_mapping(data.get("extensions")))
    ours = _mapping(extensions.pop("aichat", None))
    name = _name(data)
    kept = {key: value for key, value in data.items() if key not in ("name", "extensions")}
    proposed = _proposals(ours, extensions)
    lifted = {name: extensions.pop(name) for name in LIFTED if name in extensions}
    if extensions:
        kept["extensions"] = extensions
    fields = {
        "name": name,
        "system_prompt": _prompt(data, name),
        "greeting": _filled(_text(data, "first_mes"), name) or None,
        "is_active": False,
        "extensions": {**lifted, "card": kept, **({"proposed": proposed} if proposed else {})},
    }
    voice = dict(_mapping(ours.get("voice")))
    clip = _clip(voice.pop("clip", None))
    for name in ("audio_path", "text_path", "audio_tokens"):
        voice.pop(name, None)  # they would name what others have uploaded here
    return Card(fields, voice or None, picture, clip)


def _opened(file: bytes) -> tuple[Mapping[str, Any], bytes | None]:
    """Return the fields of the card in a file, and its picture. Raises BadValue."""
    if file.startswith(SIGNATURE):
        return card_in(file, _data), file
    if charx.is_charx(file):
        text, picture = charx.unpack(file)
        return _data(loaded(text)), picture
    if kind := _picture_kind(file):
        raise unreadable(f"is a {kind} picture, and of pictures only PNGs hold cards")
    return _data(loaded(file)), None


def write(who: Character, voice: Voice | None, clip: Clip | None = None) -> dict[str, Any]:
    """Return a V3 card of a character, and of its voice; a cloned one needs its *clip*."""
    own = dict(who.extensions)
    proposed = _mapping(own.pop("proposed", None))
    data = {**EMPTY, **_mapping(own.pop("card", None)), "name": who.name}
    pending = {name: proposed[name] for name in KNOWN if name in proposed}
    extensions = {**_mapping(data["extensions"]), **pending, **own}
    if _prompt(data, who.name) != who.system_prompt:
        data |= {**dict.fromkeys(PROMPT_FIELDS, ""), "description": who.system_prompt}
    if _filled(_text(data, "first_mes"), who.name) != (who.greeting or ""):
        data["first_mes"] = who.greeting or ""
    ours: dict[str, Any] = {"model": who.model, "temperature": who.temperature}
    for name in ours:
        if ours[name] is None:
            ours[name] = proposed.get(name)
    if voice and (voice.method == "description" or clip):
        names = ("voice", "speaker_desc", "scene_prompt", "settings")
        ours["voice"] = {name: getattr(voice, name) for name in names}
    if voice and clip:
        coded = base64.b64encode(clip.audio).decode()
        kept = {"audio": coded, "transcript": clip.transcript, "consent": clip.consent}
        ours["voice"] |= {"method": "clone", "clip": kept}
    data["extensions"] = {**extensions, "aichat": {k: v for k, v in ours.items() if v is not None}}
    card: dict[str, Any] = whole({"spec": "chara_card_v3", "spec_version": "3.0", "data": data})
    return card


def _picture_kind(file: bytes) -> str:
    """Return the format of a picture that is no PNG; "" for anything else."""
    if file.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if file[:4] == b"RIFF" and file[8:12] == b"WEBP":
        return "WebP"
    if file[4:8] == b"ftyp" and file[8:12] in (b"avif", b"avis", b"heic", b"mif1"):
        return "AVIF or HEIC"
    return "GIF" if file.startswith((b"GIF87a", b"GIF89a")) else ""


def _clip(value: Any) -> Clip | None:
    if not (given := _mapping(value)):
        return None
    try:
        audio = from_base64(_text(given, "audio").encode())
    except BadValue:
        raise unreadable("holds a voice that is damaged") from None
    return Clip(audio, _text(given, "transcript"), _text(given, "consent") or None)


# -- the system prompt -----------------------------------------------------------------------------


def _prompt(data: Mapping[str, Any], name: str) -> str:
    filled = [(field, _filled(_text(data, field), name).strip()) for field in PROMPT_FIELDS]
    return "\n\n".join(
        f"{TITLES[field]}: {text}" if field in TITLES else text for field, text in filled if text
    )


def _filled(text: str, name: str) -> str:
    """Fill in the placeholders of a card; {{original}} is a prompt that we do not have."""
    text = re.sub(r"\{\{original\}\}", "", text, flags=re.IGNORECASE)
    text = re.sub(r"\{\{char\}\}|<bot>", lambda _: name, text, flags=re.IGNORECASE)
    return re.sub(r"\{\{user\}\}|<user>", "the user", text, flags=re.IGNORECASE)


# -- its fields ------------------------------------------------------------------------------------


def _data(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a card of any version.

    Some programs keep the name, or more, beside ``data`` only.
    """
    outside = {field: loaded[old] for field, old in OLDEST.items() if _text(loaded, old)}
    outside |= {field: loaded[field] for field in V1 if _text(loaded, field)}
    inside = loaded.get("data")
    if isinstance(inside, dict) and inside:
        own = {k: v for k, v in inside.items() if k not in outside or _text(inside, k)}
        fields = {**outside, **own}
    elif len(outside) > 1:
        fields = outside
    else:
        raise unreadable("holds no card")
    if not _name(fields):
        raise unreadable("holds a card without a name")
    return fields


def _name(data: Mapping[str, Any]) -> str:
    """Return the name on one line, without control characters; empty where none of it is seen."""
    letters = (" " if category(one) == "Cc" else one for one in _text(data, "name"))
    name = " ".join("".join(letters).split())
    return name if any(one.isprintable() and not one.isspace() for one in name) else ""


def _proposals(ours: Mapping[str, Any], extensions: dict[str, Any]) -> dict[str, Any]:
    """Remove and return what would decide about cost or power; the user has to accept it."""
    proposed = {name: ours[name] for name in ("model", "temperature") if ours.get(name) is not None}
    for name in KNOWN:
        try:
            check_extensions({name: extensions.get(name)})
        except BadValue:
            continue  # another program's, of the same name
        if extensions.get(name):
            proposed[name] = extensions.pop(name)
    return proposed


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field, "")
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
