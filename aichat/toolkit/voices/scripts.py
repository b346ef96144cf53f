"""Which of espeak-ng's languages reads a text: the script decides, and its rarer letters.

A voice of one language spells every letter of a script that is foreign to it, so a text is cut into
runs, each for one language. Latin letters are read in the voice's own language where that uses
them, else in English.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from attrs import frozen

LATIN, HAN, KANA = "latin", "han", "kana"
SCRIPTS = {
    "LATIN": LATIN,
    "CJK": HAN,
    "HIRAGANA": KANA,
    "KATAKANA": KANA,
    "KATAKANA-HIRAGANA": KANA,
    "HALFWIDTH": KANA,
    "HANGUL": "hangul",
    "GREEK": "greek",
    "CYRILLIC": "cyrillic",
    "ARABIC": "arabic",
    "HEBREW": "hebrew",
    "DEVANAGARI": "devanagari",
    "BENGALI": "bengali",
    "GURMUKHI": "gurmukhi",
    "GUJARATI": "gujarati",
    "ORIYA": "oriya",
    "TAMIL": "tamil",
    "TELUGU": "telugu",
    "KANNADA": "kannada",
    "MALAYALAM": "malayalam",
    "SINHALA": "sinhala",
    "THAI": "thai",
    "MYANMAR": "myanmar",
    "GEORGIAN": "georgian",
    "ARMENIAN": "armenian",
    "ETHIOPIC": "ethiopic",
    "CHEROKEE": "cherokee",
}
"""Scripts that some language reads, by the first word of their letters' names in Unicode."""
LANGUAGES = {
    HAN: ("cmn", "yue", "hak"),
    KANA: ("ja",),
    "hangul": ("ko",),
    "greek": ("el", "grc"),
    "cyrillic": (
        *("ru", "uk", "be", "bg", "sr", "mk"),
        *("kk", "ky", "tt", "ba", "cv", "nog"),
    ),
    "arabic": ("ar", "fa", "ur", "sd", "ug"),
    "hebrew": ("he",),
    "devanagari": ("hi", "mr", "ne", "kok"),
    "bengali": ("bn", "as", "bpy"),
    "gurmukhi": ("pa",),
    "gujarati": ("gu",),
    "oriya": ("or",),
    "tamil": ("ta",),
    "telugu": ("te",),
    "kannada": ("kn",),
    "malayalam": ("ml",),
    "sinhala": ("si",),
    "thai": ("th",),
    "myanmar": ("my", "shn"),
    "georgian": ("ka",),
    "armenian": ("hy", "hyw"),
    "ethiopic": ("am", "ti"),
    "cherokee": ("chr",),
}
"""Who reads a script. The first does where neither the voice nor a letter says otherwise."""
ONLY_IN = (
    ("yue", frozenset("嘅喺咗唔佢哋啲嗰冇嚟")),
    ("be", frozenset("ў")),
    ("mk", frozenset("ѓќѕ")),
    ("sr", frozenset("ђћјљњџ")),
    ("kk", frozenset("әғқұһ")),
    ("uk", frozenset("їєґі")),
    ("ur", frozenset("ٹڈڑںےھ")),
    ("ug", frozenset("ېۆۈۋۇە")),
    ("fa", frozenset("پچژگی")),
    ("mr", frozenset("ळ")),
    ("vi", frozenset("ơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ")),
)
"""Letters by which a language is known; the first that is found decides."""


@frozen
class Run:
    """A stretch of text for one language; "" where espeak-ng has none."""

    start: int
    end: int
    language: str


def runs(text: str, own: str) -> list[Run]:
    """Cut *text* for the languages that read it; *own* is the voice's. The runs joined are all.

    What is no letter belongs to the run before it, at the beginning to the one that follows.
    """
    if text.isascii() and _script_of(own) == LATIN:
        return [Run(0, len(text), own)]
    places = [(at, script) for at, letter in enumerate(text) if (script := _script(letter))]
    if not places:
        return [Run(0, len(text), own)]
    groups = [(script, next(group)[0]) for script, group in _grouped(places)]
    starts = [0, *(at for _, at in groups[1:]), len(text)]
    return [
        Run(start, end, _language(script, text[start:end], own))
        for (script, _), start, end in zip(groups, starts, starts[1:], strict=False)
    ]


def is_han(letter: str) -> bool:
    """Return whether a character is one of those that Chinese is written with."""
    return letter != "" and _script(letter) == HAN


def plain(text: str) -> str:
    """Replace letters that only look special (𝓗, Ｈ) by what they are; none changes its place."""
    if text.isascii():
        return text
    return "".join(map(_plain, text))


@lru_cache(4096)
def _plain(letter: str) -> str:
    if unicodedata.name(letter, "").startswith(("FULLWIDTH LATIN", "MATHEMATICAL")):
        same = unicodedata.normalize("NFKC", letter)
        return same if len(same) == 1 else letter
    return letter


def _grouped(places: Sequence[tuple[int, str]]) -> Iterator[tuple[str, Iterator[tuple[int, str]]]]:
    """Group letters by script; kana and the Han characters between them are one: Japanese."""
    is_japanese = any(script == KANA for _, script in places)
    if is_japanese:
        places = [(at, KANA if script == HAN else script) for at, script in places]
    return groupby(places, key=lambda place: place[1])


@lru_cache(4096)
def _script(letter: str) -> str:
    """Return a letter's script, its name where no language reads it; "" for what is no letter."""
    if not letter.isalpha():
        return ""
    first = unicodedata.name(letter, "").partition(" ")[0]
    if first in ("FULLWIDTH", "MATHEMATICAL"):
        return LATIN
    return SCRIPTS.get(first, first)


def _script_of(language: str) -> str:
    return next((script for script, names in LANGUAGES.items() if language in names), LATIN)


def _language(script: str, text: str, own: str) -> str:
    """Return who reads a run of one script."""
    if script == KANA:
        # espeak-ng knows no readings of Han characters in Japanese
        return "" if any(_script(letter) == HAN for letter in text) else "ja"
    if script == "greek" and sum(map(str.isalpha, text)) == 1:
        script = LATIN  # a symbol, which each language names
    if script == HAN and own == "ja":
        return ""
    readers = LANGUAGES.get(script, ())
    if own in readers:
        return own
    letters = set(text.lower())
    known = (name for name, telling in ONLY_IN if telling & letters)
    if script == LATIN:
        if "vi" in known:
            return "vi"
        return own if _script_of(own) == LATIN else "en-us"
    found = next((name for name in known if name in readers), None)
    return found or next(iter(readers), "")
