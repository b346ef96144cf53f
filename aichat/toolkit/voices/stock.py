"""Stock voices of an engine: what is known of each, and which of them a voice is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from attrs import frozen

from aichat.core.errors import BadValue
from aichat.core.models import Voice

from .matching import sounds_like, stable_bytes

SPOKEN = {
    r"british|english accent|england|london|scot\w+|irish|welsh|australian": "en-gb",
    r"american|usa?": "en-us",
    r"german": "de",
    r"french": "fr",
    r"spanish": "es",
    r"italian": "it",
    r"brazilian": "pt-br",
    r"portuguese": "pt",
    r"dutch": "nl",
    r"polish": "pl",
    r"russian": "ru",
    r"swedish": "sv",
    r"danish": "da",
    r"finnish": "fi",
    r"greek": "el",
    r"turkish": "tr",
    r"czech": "cs",
    r"hungarian": "hu",
    r"ukrainian": "uk",
    r"hindi": "hi",
    r"arabic": "ar",
}
"""Words of a description, and the language of espeak-ng's that they ask for."""
PACES = {
    r"slow|slowly|drawling|calm|relaxed": 0.93,
    r"fast|quick|quickly|rapid|energetic|lively": 1.07,
}
"""Words of a description, and how much faster it is spoken."""
SLOWEST, FASTEST = 0.5, 2.0
"""The speeds that an engine may be asked for."""


@frozen
class StockVoice:
    """A voice that comes with an engine. *language* is one of espeak-ng's.

    *traits* are words of descriptions that it fits, such as "deep". One that *is_special* is only
    taken when its name or one of its traits is asked for.
    """

    name: str
    language: str
    gender: Literal["woman", "man", ""] = ""
    accent: str = ""
    traits: Sequence[str] = ()
    is_special: bool = False


@frozen
class Choice:
    """How a voice is spoken: which stock voice, and at which *speed* (1: its own)."""

    stock: StockVoice
    speed: float = 1.0


def choose(voice: Voice, stock: Sequence[StockVoice], engine: str) -> Choice:
    """Choose how *voice* is spoken: its settings for *engine*, else what is nearest to it.

    ``settings[engine]`` names a stock voice, or is a mapping with ``voice`` and ``speed``. Raises
    :class:`BadValue`.
    """
    given = voice.settings.get(engine, {})
    wanted = given if isinstance(given, Mapping) else {"voice": given}
    name = wanted.get("voice")
    chosen = nearest(voice, stock) if name is None else _named(name, stock, engine)
    return Choice(chosen, _speed(wanted, engine) * _pace(voice))


def nearest(voice: Voice, stock: Sequence[StockVoice]) -> StockVoice:
    """Return the stock voice that fits a description best; among equals always the same."""
    about = voice.speaker_desc.lower()
    language = next((spoken for words, spoken in SPOKEN.items() if _says(about, words)), "en-us")
    gender = sounds_like(voice)

    def fit(one: StockVoice) -> tuple[bool, bool, bool, int]:
        traits = sum(_says(about, re.escape(trait)) for trait in one.traits)
        return (
            one.language.split("-")[0] == language.split("-")[0],
            not gender or not one.gender or one.gender == gender,
            one.language == language,
            2 * traits - one.is_special,
        )

    best = max(map(fit, stock))
    equals = sorted((one for one in stock if fit(one) == best), key=lambda one: one.name)
    return equals[stable_bytes(voice)[0] % len(equals)]


def _named(name: Any, stock: Sequence[StockVoice], engine: str) -> StockVoice:
    names = {one.name: one for one in stock}
    if isinstance(name, str) and name in names:
        return names[name]
    close = get_close_matches(str(name), names, n=1)
    raise BadValue(
        f"{engine} has no voice {name!r}.",
        f"Did you mean {close[0]!r}?" if close else f"Choose one of {', '.join(sorted(names))}.",
        "settings",
    )


def _speed(wanted: Mapping[str, Any], engine: str) -> float:
    speed = wanted.get("speed", 1.0)
    is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
    if not is_number or not SLOWEST <= speed <= FASTEST:
        raise BadValue(
            f"The voice's setting {engine}.speed is {speed!r}.",
            f"Write a number from {SLOWEST:g} to {FASTEST:g}.",
            "settings",
        )
    return float(speed)


def _pace(voice: Voice) -> float:
    about = voice.speaker_desc.lower()
    return next((pace for words, pace in PACES.items() if _says(about, words)), 1.0)


def _says(about: str, words: str) -> bool:
    return re.search(rf"\b(?:{words})\b", about) is not None
