"""How a voice sounds when espeak-ng speaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from aichat.core import BadValue, Voice
from aichat.toolkit.voices.matching import sounds_like, stable_bytes


@frozen
class Profile:
    """Settings of espeak-ng: voice name, pitch (0-99), words per minute, liveliness (0-99)."""

    name: str
    pitch: int
    rate: int
    range: int


ACCENTS = {
    r"scots|scottish|scotland": "en-gb-scotland",
    r"posh|received pronunciation|rp|aristocratic": "en-gb-x-rp",
    r"lancashire|northern english": "en-gb-x-gbclan",
    r"midlands|birmingham": "en-gb-x-gbcwmd",
    r"caribbean|jamaican": "en-029",
    r"new york\w*|brooklyn": "en-us-nyc",
    r"british|english accent|england|london|australian|irish|welsh": "en",
    r"american|usa?": "en-us",
}
LANGUAGES = {
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "brazilian": "pt-br",
    "dutch": "nl",
    "polish": "pl",
    "russian": "ru",
    "swedish": "sv",
    "danish": "da",
    "finnish": "fi",
    "greek": "el",
    "turkish": "tr",
    "czech": "cs",
    "hungarian": "hu",
    "ukrainian": "uk",
    "hindi": "hi",
    "arabic": "ar",
    "chinese": "cmn",
    "mandarin": "cmn",
    "japanese": "ja",
    "korean": "ko",
}
TRAITS = {  # (pitch, words per minute, liveliness) to add
    r"deep|low|bass|baritone": (-18, 0, 0),
    r"high(?!.quality)|squeaky|shrill|soprano": (18, 0, 0),
    r"child|kid|girl|boy": (22, 0, 10),
    r"old|elderly|aged|grandma|grandpa|grandmother|grandfather": (-8, -20, -5),
    r"young|youthful|teenage": (6, 5, 5),
    r"slow|slowly|drawling": (0, -35, 0),
    r"fast|quick|quickly|rapid": (0, 35, 0),
    r"calm|gentle|soothing|relaxed": (-2, -15, -15),
    r"serious|monotone|flat|stern": (-2, 0, -25),
    r"energetic|lively|excited|cheerful|enthusiastic": (4, 20, 25),
}
WOMEN = ("f1", "f2", "f3", "f4", "f5")
"""Variants of espeak-ng. "Annie" and "linda" are missing: recognisers understand half of them."""
MEN = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")
USUAL_RATE = 165
"""Words per minute, before a description or a name adds to them; the most for a woman's voice."""
READY_MADE = {
    ("Olivia", "Female, British accent, warm and quick"): Profile("en-gb-x-rp+f2", 40, 155, 50),
    ("Mark", "Male, American accent, deep, calm and slow"): Profile("en-us+m2", 30, 142, 40),
    ("Rosa", "Female, American accent, high, energetic"): Profile("en-us+f3", 65, 155, 60),
}
"""The ready-made voices while they are described as they came: chosen by what a recogniser
understands of them, and a third apart in pitch."""


def profile(voice: Voice, words_per_minute: int = USUAL_RATE) -> Profile:
    """Choose how *voice* sounds: its description decides, its name makes it differ from others.

    ``settings["seed"]`` throws the dice of the name anew; ``settings["espeak"]`` may fix ``voice``,
    ``pitch``, ``rate`` and ``range``. A foreign language that is named as an accent ("French
    accent") keeps speaking English.
    """
    seed = voice.settings.get("seed")
    known = READY_MADE.get((voice.voice, voice.speaker_desc)) if seed is None else None
    if known:
        look = evolve(known, rate=known.rate + words_per_minute - USUAL_RATE)
    else:
        chance = stable_bytes(voice) if seed is None else stable_bytes(voice, seed)
        look = _described(voice, chance, words_per_minute)
    return _overridden(look, voice.settings.get("espeak", {}))


def _described(voice: Voice, chance: bytes, words_per_minute: int) -> Profile:
    about, is_woman = voice.speaker_desc.lower(), _is_woman(voice, chance)
    added = [amounts for words, amounts in TRAITS.items() if _says(about, words)]
    pitch, rate, lively = (sum(column) for column in zip((0, 0, 0), *added, strict=True))
    rate += words_per_minute + chance[3] % 17 - 8
    return Profile(
        f"{_language(about)}+{_variant(about, is_woman, chance)}",
        50 + pitch + chance[2] % 17 - 8,
        min(rate, words_per_minute) if is_woman else rate,
        50 + lively,
    )


def _says(about: str, words: str) -> bool:
    return re.search(rf"\b(?:{words})\b", about) is not None


def _language(about: str) -> str:
    for words, name in ACCENTS.items():
        if _says(about, words):
            return name
    spoken = (name for word, name in LANGUAGES.items() if _says(about, rf"{word}(?!.accent)"))
    return next(spoken, "en-us")


def _is_woman(voice: Voice, chance: bytes) -> bool:
    like = sounds_like(voice)
    return like == "woman" if like else chance[0] % 2 == 0


def _variant(about: str, is_woman: bool, chance: bytes) -> str:
    if _says(about, r"whisper\w*"):
        return "whisperf" if is_woman else "whisper"
    names = WOMEN if is_woman else MEN
    return names[chance[1] % len(names)]


def _overridden(chosen: Profile, settings: Any) -> Profile:
    given = settings if isinstance(settings, Mapping) else {"voice": settings}
    name = given.get("voice", chosen.name)
    if not isinstance(name, str):
        raise BadValue(
            f"The voice's setting espeak.voice is {name!r}.",
            'Write a name, as in "en-us+f3".',
            "settings",
        )
    return Profile(
        name,
        _number(given, "pitch", chosen.pitch, 0, 99),
        _number(given, "rate", chosen.rate, 80, 450),
        _number(given, "range", chosen.range, 0, 99),
    )


def _number(given: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise BadValue(
            f"The voice's setting espeak.{key} is {value!r}.",
            f"Write a number from {least} to {most}.",
            "settings",
        )
    return int(min(max(value, least), most))
