"""The voices that come with the models, and which of them a voice is given that is no clone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from aichat.core import Voice

WOMEN = ("alba", "cosette", "fantine", "eponine", "azelma", "anna", "vera", "mary", "jane", "eve")
MEN = ("marius", "javert", "jean", "charles", "paul", "george", "michael")
OTHERS: Mapping[str, Sequence[str]] = {
    "italian": ("giovanni",),
    "spanish": ("lola",),
    "german": ("juergen",),
    "portuguese": ("rafael",),
    "french": ("estelle",),
    "dutch": ("daan",),
}
ENGLISH = ("alba", "fantine", "vera", "jane", "marius", "javert", "charles", "george")
"""Some that differ much from each other: a state of each is fetched."""
TAGS = {
    "english": "en",
    "french": "fr",
    "german": "de",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
    "dutch": "nl",
}
"""BCP 47 tags of the models' languages."""

_WOMAN = re.compile(r"\b(female|wom[ae]n|girl|lady|feminine|she|her|grandmother|mother|queen)\b")
_MAN = re.compile(r"\b(male|m[ae]n|boy|gentleman|masculine|he|his|grandfather|father|king)\b")


def names(language: str) -> Sequence[str]:
    """Return the voices to be had in a language."""
    return OTHERS.get(language, ENGLISH)


def choose(voice: Voice, among: Sequence[str]) -> str:
    """Choose the stock voice: of the gender that the description tells, and by name.

    ``settings["pocket"]`` may name one.
    """
    wanted = voice.settings.get("pocket")
    if isinstance(wanted, str) and wanted in among:
        return wanted
    about = voice.speaker_desc.lower()
    woman, man = bool(_WOMAN.search(about)), bool(_MAN.search(about))
    fitting = [one for one in among if one not in (MEN if woman else WOMEN)]
    options = fitting if woman != man and fitting else list(among)
    digest = hashlib.sha256(voice.voice.encode("utf-8", "replace")).digest()
    return sorted(options)[digest[0] % len(options)]
