"""What engines without a voice of that kind can still make out of one: woman or man, and dice.

So a voice that was made for one engine falls back on another in a way that fits and never changes.
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
"""First names that are mostly women's, for a voice without a description, as a cloned one."""


def sounds_like(voice: Voice) -> Literal["woman", "man", ""]:
    """Tell by the description, or by the name if there is none; "" when neither tells."""
    about = voice.speaker_desc.lower()
    if not about:
        return "woman" if _WOMANS_NAME.match(voice.voice.lower()) else ""
    woman, man = _WOMAN.search(about), _MAN.search(about)
    return "" if bool(woman) == bool(man) else "woman" if woman else "man"


def dice(voice: Voice, *more: object) -> bytes:
    """Throw 32 dice, 0 to 255, that fall the same way each time for a name, and *more*."""
    thrown = "\n".join([voice.voice, *map(str, more)])
    return hashlib.sha256(thrown.encode("utf-8", "replace")).digest()
