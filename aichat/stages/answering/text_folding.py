"""Text in which case, accents and the forms of a letter make no difference, and the way back."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from attrs import frozen

LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe"}
    | {"þ": "th", "ŋ": "n", "ĸ": "k", "ə": "e"}
)
"""Letters that Unicode does not take apart, as people write them who lack the key."""
SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
"""The other way to write these."""


@frozen
class Folded:
    """A folded *text*, and where in *shown* (the text in composed letters) each letter is from."""

    text: str
    shown: str
    places: tuple[int, ...]

    def is_capital(self, at: int) -> bool:
        """Return whether the letter at a place of the folded text was written with a capital."""
        letter = self.shown[self.places[at]]
        return letter.isupper() or letter.istitle()


def folded(text: str) -> Folded:
    """Fold *text* letter by letter, in linear time."""
    if text.isascii():
        return Folded(text.lower(), text, tuple(range(len(text))))
    shown = unicodedata.normalize("NFKC", text)
    pieces = [_letter(letter) for letter in shown]
    places = tuple(at for at, piece in enumerate(pieces) for _ in piece)
    return Folded("".join(pieces), shown, places)


def fold(text: str) -> str:
    """Return *text* so that case, accents and forms of a letter make no difference."""
    return folded(text).text


@lru_cache(maxsize=4096)
def _letter(letter: str) -> str:
    apart = unicodedata.normalize("NFKD", letter)
    bare = "".join(c for c in apart if not "\u0300" <= c <= "\u036f").casefold()
    return unicodedata.normalize("NFC", bare).translate(LETTERS)
