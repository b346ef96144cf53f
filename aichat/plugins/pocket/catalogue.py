"""The voices that come with the models, and which of them a voice is given that is no clone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aichat.core import Voice
from aichat.toolkit.voices.matching import sounds_like, stable_bytes

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


def names(language: str) -> Sequence[str]:
    """Return the voices to be had in a language."""
    return OTHERS.get(language, ENGLISH)


def choose(voice: Voice, among: Sequence[str]) -> str:
    """Choose the stock voice: as the description sounds, else as the name does, and by dice.

    ``settings["pocket"]`` may name one.
    """
    wanted = voice.settings.get("pocket")
    if isinstance(wanted, str) and wanted in among:
        return wanted
    like = sounds_like(voice)
    fitting = [one for one in among if one not in (MEN if like == "woman" else WOMEN)]
    options = fitting if like and fitting else list(among)
    return sorted(options)[stable_bytes(voice)[0] % len(options)]
