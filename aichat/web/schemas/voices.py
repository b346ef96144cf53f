"""Bodies and answers of the REST API for voices, clips and pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar.datastructures import UploadFile
from msgspec import UNSET, Meta, Struct, UnsetType

from aichat.core import BadValue

from .records import Json, ShortText, Time, VoiceKey

SENTENCE = "Hello, it is good to meet you. Shall we take a walk, or would you rather sit and talk?"
"""What every voice says unless something else is asked for, so that they can be compared."""
LONGEST_TEXT = 300
"""Letters."""
OWN_ADDRESSES = ("upload", "clips", "preview")
"""What is at these addresses is no voice."""

Method = Literal["description", "clone"]
Clip = Annotated[
    str, Meta(max_length=100, description="The key of a clip: its SHA-256, a dot, an extension.")
]
Codes = Annotated[
    list[Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(max_length=100_000)]],
    Meta(max_length=100_000, description="Cached reference codes of an engine; null until made."),
]
Seed = Annotated[int, Meta(ge=0, le=2**31 - 1, description="The random seed of an engine.")]


class Voice(Struct):
    """How a character sounds: described in words, or cloned from a clip."""

    voice: str
    method: Method
    speaker_desc: str
    scene_prompt: str
    audio_path: str | None
    text_path: str | None
    audio_tokens: list[list[int] | int] | None
    settings: dict[str, Any]
    created_at: Time
    updated_at: Time


class NewVoice(Struct, forbid_unknown_fields=True):
    """A voice to be made."""

    voice: VoiceKey
    method: Method = "description"
    speaker_desc: ShortText = ""
    scene_prompt: ShortText = ""
    audio_path: Clip | None = None
    text_path: Clip | None = None
    audio_tokens: Codes | None = None
    settings: Json = {}


class VoiceChanges(Struct, forbid_unknown_fields=True):
    """What is to be changed of a voice. Another clip takes the cached codes away."""

    method: Method | UnsetType = UNSET
    speaker_desc: ShortText | UnsetType = UNSET
    scene_prompt: ShortText | UnsetType = UNSET
    audio_path: Clip | UnsetType | None = UNSET
    text_path: Clip | UnsetType | None = UNSET
    audio_tokens: Codes | UnsetType | None = UNSET
    settings: Json | UnsetType = UNSET


class Upload(Struct, forbid_unknown_fields=True):
    """A clip that a voice is cloned from, as a form. *voice_name* may stand in the address."""

    file: UploadFile
    voice_name: VoiceKey | None = None
    transcript: ShortText = ""
    consent: Literal["yes", "no"] = "no"


class ClipUpload(Struct, forbid_unknown_fields=True):
    """A clip that is to be tried before a voice is made of it, as a form."""

    file: UploadFile
    transcript: ShortText = ""


class KeptClip(Struct):
    """A clip that is kept: the keys that a voice is made with, and what is said in it."""

    audio_path: str
    text_path: str | None
    transcript: str
    seconds: float


class VoicePreview(Struct, forbid_unknown_fields=True):
    """A sentence to be said: in the voice with the key *voice*, or in the voice *draft*."""

    voice: VoiceKey | None = None
    draft: NewVoice | None = None
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")] = SENTENCE
    seed: Seed | None = None


# -- pictures ----------------------------------------------------------------------------------


class CardUpload(Struct, forbid_unknown_fields=True):
    """A character card, as a form."""

    file: UploadFile


class PictureUpload(Struct, forbid_unknown_fields=True):
    """A picture, as a form: a character's face, or one that is shown in a message."""

    file: UploadFile
    use: Literal["face", "message"] = "face"


class Picture(Struct):
    """A picture that is kept."""

    image_url: str


def require_key(key: str, field: str) -> None:
    """Refuse a key that would not fit into an address."""
    if key in (".", "..", *OWN_ADDRESSES) or "/" in key or key != key.strip() or min(key) < " ":
        raise BadValue(
            f"{field} {key!r} cannot be a voice's key.",
            'Leave out "/" and line breaks, begin and end with a letter, and avoid "upload".',
            field,
        )
