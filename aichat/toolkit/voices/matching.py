"""Matches a voice to those of an engine that has no such voice: by gender, and by a stable hash.

So a voice that was made for one engine gets a fitting one on another, always the same.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from aichat.core.models import Voice

_WOMAN = re.compile(
    r"\b(female|wom[ae]n|girl|lady|feminine|she|her|mother|grandmother|grandma|queen)\b"
)
_MAN = re.compile(
    r"\b(male|m[ae]n|boy|gentleman|masculine|he|his|father|grandfather|grandpa|king)\b"
)
_WOMANS_NAME = re.compile(
    r"(?!joshua|luca|ezra|nikita|noah|elijah|jonah|micah)\w+(?:ah?|ine|elle|ette|lyn)\b"
)
"""First names that are mostly women's, for a voice without a description, such as a clone."""


def sounds_like(voice: Voice) -> Literal["woman", "man", ""]:
    """Return the gender by the description, or by the name if there is none; "" if unclear."""
    about = voice.speaker_desc.lower()
    if not about:
        return "woman" if _WOMANS_NAME.match(voice.voice.lower()) else ""
    woman, man = _WOMAN.search(about), _MAN.search(about)
    return "" if bool(woman) == bool(man) else "woman" if woman else "man"


def stable_bytes(voice: Voice, *more: object) -> bytes:
    """Return 32 pseudo-random bytes, always the same for the name of a voice, and *more*."""
    seed = "\n".join([voice.voice, *map(str, more)])
    return hashlib.sha256(seed.encode("utf-8", "replace")).digest()
