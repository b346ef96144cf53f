"""Evidence that a word is meant as a name: "Hope, come here" speaks to her; "I hope so" does not.

A word of everyday speech is a name where it has a capital within a sentence, where it is spoken to
("Mark, ...", "..., Mark?", "hey mark", "mark what do you think"), where it does what only people
do ("mark said"), or beside somebody who is named. Transcripts may lack capitals and commas, so that
one of these signs is enough. A word all in capitals is stressed or an acronym: "I HOPE so", "AI is
great", "the EVA" need another sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import field, frozen

from .common_words import (
    ACRONYMS,
    ASKING,
    BEFORE_A_NOUN,
    CALENDAR,
    DETERMINERS,
    DOING,
    FINISHED,
    FOLLOWERS,
    FUNCTION,
    GERMAN_NOUNS,
    GREETINGS,
    HELPING,
    IN_CAPITALS,
    INDEFINITE,
    IS,
    JOINED,
    MODALS,
    NAMES_TOO,
    OPENERS,
    PEOPLE,
    POSSESSIVES,
    PRONOUNS,
    SAID_ALONE,
    SAY,
    SAYS,
    SPEAKING,
    THINGS,
    WISHES,
)
from .name_inflection import HANGUL, UNSPACED
from .text_folding import Folded

AROUND = 200
"""Letters on each side that are looked at."""
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LAST_WORDS = re.compile(r"(?:[^\W_]+(?:['’][^\W_]+)*\s+){1,4}$")
NEXT_WORDS = re.compile(r"(?:\s+[^\W_]+(?:['’][^\W_]+)*){1,2}")
BEGINS = re.compile(r"(?:^|[.!?…:;。！？\n]|\s[-–—]\s)[\s\"'“”‘«»„()\[\]¿¡*_-]*$")
PAUSE_BEFORE = re.compile(r"(?:[,;，、]|\s[-–—])\s*$")
PAUSE_AFTER = re.compile(r"\s*(?:[,:;!?…。、，！？؟\"”»)]|\s[-–—]\s|\.(?!\w)|$)")
END_AFTER = re.compile(r"\s*(?:[.!?…。！？؟]|$)")
STOP_AFTER = re.compile(r"\s*(?:\.(?!\w)|$)")
SEGMENT = re.compile(r"[^,.;:!?…\n]*")
LISTED = re.compile(
    r"\s*,\s*(?:(?:and|or|und|oder|y|et|e|и|или)\s|"
    r"([^\W_]+)\s*(?:(,|and\s|or\s)|[.!?]|$))"
)
OTHER_SCRIPT = re.compile(f"{UNSPACED.pattern}|{HANGUL.pattern}")
IN_TIME = frozenset(
    ("in", "on", "since", "until", "till", "by", "of", "last", "next", "early", "late", "this")
)


@frozen
class SpokenName:
    """What people may say for some of the cast, folded."""

    text: str
    ids: tuple[str, ...]
    is_name: bool = True
    """It is nothing but a name; else it is a word of everyday speech too,"""
    is_function: bool = False
    """and one that speaks to nobody ("who", "my")."""


@frozen
class Mention:
    """Where *said* stands in a text, perhaps with another ending."""

    said: SpokenName
    start: int
    end: int
    is_inflected: bool = False


def meant(text: Folded, mentions: Sequence[Mention]) -> list[Mention]:
    """Return those of *mentions*, which are in order, that stand for somebody."""
    contexts = [MentionContext(text, one) for one in mentions]
    seen = [one.is_meant() for one in contexts]
    for order in (range(1, len(seen)), range(len(seen) - 1, 0, -1)):  # to the right, to the left
        for at in order:
            one, other = contexts[at - 1], contexts[at]
            if seen[at - 1] != seen[at] and one.is_joined_to(other):
                seen[at - 1] = seen[at] = True
    return [one for one, is_meant in zip(mentions, seen, strict=True) if is_meant]


@frozen
class MentionContext:
    """A mention and what stands around it."""

    text: Folded
    mention: Mention
    before: str = field(init=False)
    after: str = field(init=False)
    previous: tuple[str, ...] = field(init=False)
    """The words before it, the nearest first, as far as nothing but space is between."""
    following: tuple[str, ...] = field(init=False)

    @before.default
    def _before(self) -> str:
        return self.text.text[max(0, self.mention.start - AROUND) : self.mention.start]

    @after.default
    def _after(self) -> str:
        return self.text.text[self.mention.end : self.mention.end + AROUND]

    @previous.default
    def _previous(self) -> tuple[str, ...]:
        found = LAST_WORDS.search(self.before)
        return (*reversed(_words(found[0])), *[""] * 4) if found else ("",) * 4

    @following.default
    def _following(self) -> tuple[str, ...]:
        found = NEXT_WORDS.match(self.after)
        return (*_words(found[0]), "", "") if found else ("", "")

    @property
    def word(self) -> str:
        """The word that decides: the last one ("little brother")."""
        return self.mention.said.text.split()[-1]

    def is_meant(self) -> bool:
        """Return whether it stands for somebody."""
        said, previous = self.mention.said, self.previous[0]
        is_certain = said.is_name and not self._is_acronym()
        if is_certain and (not self.mention.is_inflected or self.is_capital()):
            return self.is_capital() or previous not in BEFORE_A_NOUN
        if previous in (POSSESSIVES | INDEFINITE) and not (previous == "her" and self.is_capital()):
            return False
        if self.is_capital() and (self._is_written_as_name() or self._capital_shows()):
            return True
        if self._is_alone():
            return self.word not in SAID_ALONE
        if self._is_foreign():
            return True
        return not said.is_function and (self._is_called() or self._acts())

    # -- capitals ----------------------------------------------------------------------------

    def is_capital(self) -> bool:
        """Return whether its words have capitals, the little ones between them aside."""
        start, end = self.mention.start, self.mention.end
        words = list(WORD.finditer(self.text.text, start, end))
        names = [one for one in words if one[0] not in FUNCTION] or words
        return bool(names) and all(self.text.is_capital(one.start()) for one in names)

    def _capital_shows(self) -> bool:
        """Return whether the capital is there because this is a name."""
        if self._begins() or self.word in GERMAN_NOUNS or self._is_shouted():
            return False
        if self.word in CALENDAR and (self.previous[0] in IN_TIME or self._is_dated()):
            return False
        sentence = self._others()
        return sum(sentence) <= len(sentence) / 2

    def _is_written_as_name(self) -> bool:
        """Return whether an acronym is written as only a name is: Ai."""
        return self.word in IN_CAPITALS and not self._is_shouted()

    def _is_shouted(self) -> bool:
        """Return whether it stands there all in capitals."""
        letters = [
            self.text.is_capital(at)
            for at in range(self.mention.start, self.mention.end)
            if self.text.text[at].isalpha()
        ]
        return len(letters) > 1 and all(letters)

    def _is_acronym(self) -> bool:
        """Return whether it may be an acronym, in a sentence that is not all in capitals."""
        if self.word not in ACRONYMS or not self._is_shouted():
            return False
        others = self._others()
        return sum(others) <= len(others) / 2

    def _is_dated(self) -> bool:
        return self.previous[0].isdigit() or self.following[0][:1].isdigit()

    def _others(self) -> list[bool]:
        """Return which of the other words nearby have capitals, without those that begin."""
        start = self.mention.start - len(self.before)
        around = [
            *(one.start() + start for one in WORD.finditer(self.before)
              if not BEGINS.search(self.before, 0, one.start())),
            *(one.start() + self.mention.end for one in WORD.finditer(self.after)
              if not BEGINS.search(self.after[: one.start()] or "x")),
        ]  # fmt: skip
        return [self.text.is_capital(at) for at in around if self.text.text[at] != "i"]

    # -- spoken to ---------------------------------------------------------------------------

    def _begins(self) -> bool:
        return BEGINS.search(self.before) is not None

    def _is_alone(self) -> bool:
        """Return whether it is all that was said."""
        return not (self._has_words_before() or WORD.search(self.after))

    def _is_foreign(self) -> bool:
        """Return whether a word in Latin letters stands among those of a script that has none."""
        beside = self.before.rstrip()[-1:] + self.after.lstrip()[:1]
        return self.mention.said.text.isascii() and OTHER_SCRIPT.search(beside) is not None

    def _has_words_before(self) -> bool:
        return WORD.search(self.text.text, 0, self.mention.start) is not None

    def _is_called(self) -> bool:
        """Return whether the words around it speak to it."""
        if self.word in SAID_ALONE:
            return False
        if self._begins():
            return self._is_called_first()
        if PAUSE_BEFORE.search(self.before):
            return PAUSE_AFTER.match(self.after) is not None and not self._is_listed()
        return self._is_somebody() and (self._is_greeted() or self._is_called_last())

    def _is_called_first(self) -> bool:
        if STOP_AFTER.match(self.after):
            return not self._has_words_before()
        if PAUSE_AFTER.match(self.after):
            return not self._is_listed()
        return self._is_asked()

    def _is_asked(self) -> bool:
        """Return whether a question, a request or a statement to it follows."""
        first, second = self.following[:2]
        if first in FOLLOWERS or (first in ASKING and second in PRONOUNS):
            return True
        says = first.split("'")[0] in {"i", "you", "we"}
        return says and self.word not in WISHES and self.word not in THINGS

    def _is_listed(self) -> bool:
        """Return whether it is one of several things: "faith, hope, and love"."""
        if pause := PAUSE_BEFORE.search(self.before):
            *_, segment = SEGMENT.finditer(self.before, 0, pause.start())
            words = _words(segment[0])
            if len(words) == 1 and words[0] not in OPENERS | GREETINGS | FUNCTION:
                return True
        listed = LISTED.match(self.after)
        if listed is None or (self._begins() and listed[1] and not listed[2]):  # "Hope, sing!"
            return False
        return listed[1] not in OPENERS | GREETINGS | FOLLOWERS

    def _is_somebody(self) -> bool:
        is_known = any(self.word in words for words in (NAMES_TOO, PEOPLE, ACRONYMS))
        return self.mention.is_inflected or is_known

    def _is_greeted(self) -> bool:
        """Return whether it follows "hey", "thanks", "ask", or "okay" and a question follows it."""
        near, far = self.previous[:2]
        is_over = PAUSE_AFTER.match(self.after) is not None or self._is_asked()
        if near in GREETINGS or (near, far) == ("you", "thank"):
            is_free = self.word not in MODALS and self.following[0] not in DETERMINERS
            return is_over or (is_free and self.word not in PEOPLE)
        if near == "about":
            return far in {"what", "how"} and is_over and self.word in NAMES_TOO
        is_alone = near in {"so", "well"} and END_AFTER.match(self.after)  # "so rich!"
        return near in OPENERS and not far and is_over and not is_alone

    def _is_called_last(self) -> bool:
        if not END_AFTER.match(self.after) or self.word in MODALS:
            return False
        near, far, farther = self.previous[:3]
        asks = near == "you" and far in {"are", "were"} and farther in {"how", "where", "who"}
        seeks = near in {"where's", "who's"} or (near == "is" and far in {"where", "who"})
        speaks = near in {"to", "with"} and far in SPEAKING
        is_next = near == "you" and far in {"and", "about"}
        return near in FINISHED or asks or seeks or speaks or is_next

    # -- what only people do -----------------------------------------------------------------

    def _acts(self) -> bool:
        near, follows = self.previous[0], self.following[0]
        if near in DETERMINERS:
            return False
        if self.word in NAMES_TOO and (follows in SAYS or (self.word in DOING and follows in IS)):
            return True
        return self._is_somebody() and near in HELPING and follows in SAY

    # -- beside somebody ---------------------------------------------------------------------

    def is_joined_to(self, other: MentionContext) -> bool:
        """Return whether *other*, which follows, is named in one breath: "Olivia and Mark"."""
        between = self.text.text[self.mention.end : other.mention.start][:AROUND]
        is_first = self._begins() or PAUSE_BEFORE.search(self.before)
        return bool(
            (JOINED.fullmatch(between) or (is_first and between.strip() == ","))
            and self.is_capital() == other.is_capital()
            and not (self.mention.said.is_function or other.mention.said.is_function)
            and self.previous[0] not in BEFORE_A_NOUN
        )


def _words(text: str) -> list[str]:
    return [one.replace("’", "'") for one in WORD.findall(text)]
