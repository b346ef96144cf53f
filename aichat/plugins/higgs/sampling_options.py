"""What a voice's own settings say of how it is sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aichat.core import BadValue, Voice
from aichat.toolkit.voices.matching import stable_bytes

LIMITS = {
    "temperature": (0.0, 2.0),
    "top_p": (0.01, 1.0),
    "top_k": (0, 1024),
    "ras_window": (0, 100),
    "ras_repeats": (1, 100),
}


def seed(voice: Voice) -> int:
    """Return ``settings["seed"]``, or a number that the voice's name fixes."""
    given = voice.settings.get("seed")
    if given is None:
        return int.from_bytes(stable_bytes(voice)[:4], "big")
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**63:
        raise BadValue(
            f"The voice's setting seed is {given!r}.", "Write a whole number from 0 on.", "settings"
        )
    return given


def sampling(voice: Voice, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return how *voice* is sampled: ``settings["higgs"]``, else as *usual*; and its seed.

    Raises :class:`BadValue`.
    """
    given = voice.settings.get("higgs", {})
    if not isinstance(given, Mapping):
        raise BadValue(
            f"The voice's setting higgs is {given!r}.",
            f"Write an object with any of {', '.join(LIMITS)}.",
            "settings",
        )
    for name, value in given.items():
        _check(name, value)
    whole = {name: int(value) for name, value in given.items() if isinstance(LIMITS[name][0], int)}
    return {**usual, **given, **whole, "seed": seed(voice)}


def _check(name: str, value: object) -> None:
    if name not in LIMITS:
        raise BadValue(
            f"The voice has a setting higgs.{name}.", f"Known: {', '.join(LIMITS)}.", "settings"
        )
    least, most = LIMITS[name]
    number = value if isinstance(value, (int, float)) else math.nan
    if isinstance(value, bool) or not least <= number <= most:
        raise BadValue(
            f"The voice's setting higgs.{name} is {value!r}.",
            f"Write a number from {least} to {most}.",
            "settings",
        )
