"""Backchannels and stop phrases: "mhm"; "stop"; "hold on, Mark".

Pure functions on words. A text is one of these when it consists of known phrases and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from attrs import Factory, field, frozen

BACK_CHANNELS = (
    "ah", "aha", "alright", "cool", "got it", "gotcha", "ha", "haha", "hm", "hmm", "i see",
    "mhm", "mm", "mm-hm", "mm-hmm", "mmm", "nice", "oh", "ok", "okay", "right", "sure", "uh",
    "uh-huh", "uh-hum", "um", "wow", "yeah", "yep", "yes", "yup",
)  # fmt: skip
"""They mean "I am listening": no character stops for them."""

STOP_PHRASES = (
    "be quiet", "enough", "hang on", "hold it", "hold on", "hush", "just a moment", "one moment",
    "one second", "pause", "quiet", "shh", "shush", "shut up", "silence", "stop", "stop it",
    "stop talking", "stop there", "that's enough", "thats enough", "wait", "wait a minute",
    "wait a moment", "wait a second",
)  # fmt: skip
"""They stop the characters, and ask for no answer."""

COURTESIES = ("please", "now", "sorry", "hey", "thanks", "thank you", "a second", "a moment")
"""They change nothing about a stop phrase."""

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

Kind = Literal["nothing", "back_channel", "stop", "words"]
Phrase = tuple[str, ...]


def words_of(text: str) -> Phrase:
    """Return the words in lower case; hyphens part them: "uh-huh" is "uh huh"."""
    return tuple(WORD.findall(text.lower().replace("’", "'")))


@frozen
class Verdict:
    """What a text said over others is; a *stop* may be for *names* only, else for everybody."""

    kind: Kind
    names: tuple[str, ...] = ()


def _phrases(texts: Iterable[str]) -> frozenset[Phrase]:
    return frozenset(filter(None, map(words_of, texts)))


@frozen
class Backchannels:
    """The known phrases, as a user may set them."""

    back_channels: frozenset[Phrase] = field(default=BACK_CHANNELS, converter=_phrases)
    stop_phrases: frozenset[Phrase] = field(default=STOP_PHRASES, converter=_phrases)
    courtesies: frozenset[Phrase] = field(default=COURTESIES, converter=_phrases)
    known: frozenset[Phrase] = field(
        init=False,
        default=Factory(
            lambda self: self.back_channels | self.stop_phrases | self.courtesies, takes_self=True
        ),
    )
    longest: int = field(
        init=False,
        default=Factory(lambda self: max(map(len, self.known), default=1), takes_self=True),
    )

    def judge(self, text: str, names: Sequence[str] = ()) -> Verdict:
        """Classify *text*. *names* are those who speak or are about to, soonest first."""
        words = words_of(text)
        if not words:
            return Verdict("nothing")
        phrases = list(self._parse(words, names))
        if sum(map(len, phrases)) < len(words):
            return Verdict("words")
        if any(phrase in self.stop_phrases for phrase in phrases):
            said = [phrase[0] for phrase in phrases if self._is_name(phrase, names)]
            return Verdict("stop", meant(said, names))
        is_backchannel = all(phrase in self.back_channels for phrase in phrases)
        return Verdict("back_channel" if is_backchannel else "words")

    def may_become_backchannel(self, text: str, names: Sequence[str] = ()) -> bool:
        """Return whether *text*, so far, is or may become a backchannel or stop phrase."""
        words = words_of(text)
        known = ["\0".join(phrase) for phrase in (*self.known, *_singles(names))]
        for cut in range(max(0, len(words) - self.longest), len(words) + 1):
            begun = "\0".join(words[cut:])
            is_begun = any(phrase.startswith(begun) for phrase in known)
            if is_begun and sum(map(len, self._parse(words[:cut], names))) == cut:
                return True
        return False

    def _parse(self, words: Phrase, names: Sequence[str]) -> Iterator[Phrase]:
        """Cut known phrases and names off the beginning, the longest first, as far as it goes."""
        at, called = 0, _singles(names)
        while at < len(words):
            ends = range(min(len(words), at + self.longest), at, -1)
            phrase = next((words[at:end] for end in ends if words[at:end] in self.known), None)
            phrase = phrase or (words[at : at + 1] if words[at : at + 1] in called else None)
            if phrase is None:
                return
            yield phrase
            at += len(phrase)

    def _is_name(self, phrase: Phrase, names: Sequence[str]) -> bool:
        return phrase not in self.known and phrase in _singles(names)


def _singles(names: Sequence[str]) -> set[Phrase]:
    return {(word,) for name in names for word in words_of(name)}


def meant(said: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names *said*: of several that share a word, the best fit, then the soonest."""
    found: dict[str, None] = {}
    for word in said:
        fitting = [name for name in names if word in words_of(name)]
        best = max(fitting, key=lambda name: len(set(words_of(name)) & set(said)))
        found[best] = None
    return tuple(found)
