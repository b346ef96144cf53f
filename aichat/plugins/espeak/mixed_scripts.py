"""A text in several scripts, read one after the other by the languages that know them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from attrs import define, evolve, field, frozen

from aichat.core import CannotRead, WordMark
from aichat.toolkit.voices.scripts import is_han, plain, runs

from .library import Engine, Spoken, has_word
from .voice_profile import Profile

STRAY = 1
"""Most unreadable letters that are left out without a report."""


@frozen
class Part:
    """A stretch of the text, and how it is to sound."""

    start: int
    end: int
    look: Profile


def parted(text: str, look: Profile) -> tuple[Sequence[Part], str]:
    """Cut *text* for the languages that read it; return as well what none of them reads."""
    own, plus, variant = look.name.partition("+")
    readable, unread = [], []
    for run in runs(text, own):
        if run.language:
            name = look.name if run.language == own else f"{run.language}{plus}{variant}"
            readable.append(Part(run.start, run.end, evolve(look, name=name)))
        else:
            unread.append(text[run.start : run.end])
    reported = [words for words in unread if sum(map(str.isalpha, words)) > STRAY or not readable]
    return readable, " ".join(reported)


def unreadable(text: str) -> CannotRead:
    """Say which script the built-in voice cannot read."""
    letters = [unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()]
    kinds = set(letters)
    if kinds & {"HIRAGANA", "KATAKANA"}:
        what = "Japanese with Chinese characters"
    else:
        what = f"{max(kinds, key=letters.count).capitalize()} script"
    return CannotRead(
        f"The built-in voice cannot read {what}.",
        "Put a voice that speaks this language into `use` under [tts] in plugins.toml.",
    )


@define
class Reader:
    """Has one engine read the parts; places and times count through all of them."""

    engine: Engine
    text: str
    hand_over: Callable[[Spoken], object]
    start: int = field(init=False, default=0)
    before: int = field(init=False, default=0)
    """Samples of the parts before."""
    samples: int = field(init=False, default=0)
    marked: int = field(init=False, default=0)

    def read(self, parts: Sequence[Part]) -> None:
        """Read until *hand_over* raises; what it raised is raised again."""
        said = plain(self.text)
        for part in parts:
            self.start, self.before = part.start, self.samples
            if has_word(words := said[part.start : part.end]):
                is_last = part is parts[-1]
                self.engine.say(words, part.look, self._pass, pause=is_last)

    def _pass(self, spoken: Spoken) -> None:
        moved: list[bytes | WordMark] = []
        for piece in spoken:
            if isinstance(piece, bytes):
                self.samples += len(piece) // 2
                moved.append(piece)
            elif piece.start + self.start >= self.marked:
                moved.append(self._moved(piece))
        self.hand_over(moved)

    def _moved(self, mark: WordMark) -> WordMark:
        start, end = mark.start + self.start, mark.end + self.start
        if is_han(self.text[start]) and is_han(self.text[start + 1 : start + 2]):
            end = start + 2  # most Chinese words have two characters, of which one may be marked
        self.marked = end
        return WordMark(start, end, mark.at + self.before)
