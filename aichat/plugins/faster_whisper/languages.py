"""Which language is spoken, as a multilingual Whisper hears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .short_context import RATE, SHORTEST, encode

SURE = 0.6
"""Probability from which a language is believed that the user is not known to speak."""


def spoken_at_the_start(engine: Any, audio: Any, likely: Sequence[str]) -> str:
    """Return the language of float samples."""
    return spoken(engine, encode(engine, audio[: SHORTEST * RATE]), likely)


def spoken(engine: Any, encoded: Any, likely: Sequence[str]) -> str:
    """Return the language of encoded audio: the most probable one.

    If that is none of the *likely* ones and not sure, the most probable of these.
    """
    (found,) = engine.model.detect_language(encoded)
    chances: dict[str, float] = {token[2:-2]: chance for token, chance in found}
    best = max(chances, key=chances.__getitem__)
    known = [code for code in likely if code in chances]
    if not known or chances[best] >= SURE:
        return best
    return max(known, key=chances.__getitem__)
