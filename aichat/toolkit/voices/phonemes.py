"""Phonemes of a text by espeak-ng, and where each word begins in them.

espeak-ng keeps its language in globals: one copy of the library serves all engines of the process,
one text at a time. A clause takes some 0.3 ms, so nothing is gained by preparing it ahead.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate

from attrs import frozen

from aichat.core.errors import BackendFailed, CannotStart

_SYNCHRONOUS, _DONT_EXIT, _UTF8, _IPA = 2, 0x8000, 1, 0x02
_TIE = 0x80 | ord("^") << 8
"""Mode of the library that joins the letters of one sound: a^ɪ, t^ʃ."""
_LANGUAGE_SWITCH = re.compile(r"\([a-z^-]+\)")
_TAIL = re.compile(r"([^\w\s]*[,;:.!?…—–()\"“”«»。，！？；：、]+[^\w\s]*\s*)(\S?)$")
"""The marks that end a clause, and the letter of the next one that espeak-ng reads with them."""
_TITLE = re.compile(r"\b(Dr|Mr|Mrs|Ms|Prof|St|vs|e\.g|i\.e)$")
"""What a full stop does not end a clause after."""
_WORD = re.compile(r"\w(?:\S*\w)?")
_NAMES = {"en-gb": "en"}
"""Languages that the library calls otherwise."""
_NEAR = 3
"""Sounds by which the estimated place of a word may be wrong."""
_lock = threading.Lock()


@frozen
class SpokenWord:
    """A word, ``text[start:end]``; its first sound is at the index *at*."""

    start: int
    end: int
    at: int


@frozen
class Phonemes:
    """The *sounds* of a *text*: IPA with its punctuation, in one string."""

    text: str
    sounds: str
    words: Sequence[SpokenWord]


def phonemes(
    text: str, language: str, spell: Callable[[str], str] = str, *, tied: bool = False
) -> Phonemes:
    """Return the sounds of *text* as *language*, a name of espeak-ng's, reads it.

    *spell* writes the IPA of a clause as an engine wants it, and leaves the spaces between words.
    *tied*: letters that are one sound are joined by "^". Blocks; may be called in any thread.
    """
    sounds, words = "", list[SpokenWord]()
    with _lock:
        library = _library()
        library.speak(language)
        for start, end, marks, ipa in _clauses(text, library, tied):
            spelt = spell(_LANGUAGE_SWITCH.sub("", ipa))
            found = [
                (start + one.start(), start + one.end()) for one in _WORD.finditer(text[start:end])
            ]
            places = _places([text[a:b] for a, b in found], spelt, library)
            words += [
                SpokenWord(a, b, len(sounds) + at) for (a, b), at in zip(found, places, strict=True)
            ]
            sounds += spelt + marks
    return Phonemes(text, sounds.rstrip(), words)


def _clauses(text: str, library: _Library, tied: bool) -> Iterator[tuple[int, int, str, str]]:
    """Yield of each clause where its words begin and end, the marks that end it, and its IPA."""
    start = 0
    for read, ipa in list(library.clauses(text, tied)):  # it reads one text at a time
        tail = _TAIL.search(text[start:read])
        after = read - len(tail[2]) if tail and read < len(text) else read
        end = start + tail.start() if tail else after
        marks = re.sub(r"\s+", " ", text[end:after])
        if _TITLE.search(text[start:end]):
            marks = marks.replace(".", "")
        if text[after : after + 1].isspace() or not marks:
            marks += " "
        yield start, end, marks, ipa
        start = after


def _places(words: Sequence[str], ipa: str, library: _Library) -> Sequence[int]:
    """Return where each word begins in the sounds of its clause.

    espeak-ng joins words ("of the") and speaks others as several (1932). Where counting does not
    tell them apart, a word begins where the lengths of all words on their own say it does.
    """
    spoken = [one.start() for one in re.finditer(r"\S+", ipa)]
    if len(words) == len(spoken) or not spoken:
        return spoken or [0] * len(words)
    alone = ["".join(one for _, one in library.clauses(word)) for word in words]
    before = [0, *accumulate(len(one.split()) for one in alone)]
    if before[-1] == len(spoken):
        return [spoken[min(at, len(spoken) - 1)] for at in before[:-1]]
    lengths = [0, *accumulate(map(len, alone))]
    guesses = [at * len(ipa) // max(1, lengths[-1]) for at in lengths[:-1]]
    return [_snapped(guess, spoken) for guess in guesses]


def _snapped(guess: int, spoken: Sequence[int]) -> int:
    nearest = min(spoken, key=lambda at: abs(at - guess))
    return nearest if abs(nearest - guess) <= _NEAR else guess


class _Library:
    """The library; its callers hold the lock."""

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._lib = ctypes.CDLL(str(espeakng_loader.get_library_path()))
            data = espeakng_loader.get_data_path().encode()
        except (ImportError, OSError) as error:
            raise CannotStart(
                f"espeak-ng cannot be loaded ({error}).", "Install espeakng-loader anew."
            ) from error
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = (
            *(ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int),
        )
        if self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT) <= 0:
            raise CannotStart("espeak-ng cannot be initialised.", "Install espeakng-loader anew.")
        self._language = ""

    def speak(self, language: str) -> None:
        """Choose the language of the calls to come."""
        if language == self._language:
            return
        name = _NAMES.get(language, language)
        if self._lib.espeak_SetVoiceByName(name.encode("utf-8", "replace")):
            raise BackendFailed(
                f"espeak-ng has no language {language!r}.", "Choose a voice of another language."
            )
        self._language = language

    def clauses(self, text: str, tied: bool = False) -> Iterator[tuple[int, str]]:
        """Yield the IPA of each clause, and up to where in *text* espeak-ng has read for it."""
        raw = text.encode("utf-8", "replace")
        buffer = ctypes.create_string_buffer(raw)
        first = ctypes.addressof(buffer)
        place = ctypes.c_void_p(first)
        mode = _IPA | (_TIE if tied else 0)
        while place.value:
            ipa = self._lib.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, mode)
            read = raw[: place.value - first] if place.value else raw
            yield len(read.decode("utf-8", "ignore")), (ipa or b"").decode("utf-8", "ignore")


@cache
def _library() -> _Library:
    return _Library()
