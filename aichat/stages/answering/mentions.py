"""Mentions: the characters that a text names.

``@Name`` mentions win: exactly those, in that order. ``@everyone`` stands for all who are here,
``@others`` for all whom the message does not name; if it names none, for all but the one who spoke
last. Without ``@``, a plain mention of a name selects those, in order of first mention: the whole
name or any part of it, in any case. What is a word of everyday speech as well ("Hope", the "Long"
of Captain Long John) has to show that it is meant as a name (:mod:`.mention_evidence`).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from aichat.core import Character

from .common_words import FUNCTION, is_common, is_described
from .mention_evidence import Mention, SpokenName, meant
from .name_inflection import (
    BEGIN_AT,
    CYRILLIC,
    HANGUL,
    UNSPACED,
    Cases,
    after,
    before,
    literal,
    stems,
)
from .text_folding import SPELT, Folded, fold, folded

EVERYBODY = ("everyone", "everybody", "all")
WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
SPLIT = re.compile("[ '’-]")
OFTEN = 20
"""The most mentions of one name that are looked at in a text."""
MOST = 10_000
"""The most words of a text that are compared with names in other cases."""
WITH_AT = re.compile(rf"{BEGIN_AT}[^\W\d_]+")
ELSEWHERE = re.compile(r"https?://\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
"""Addresses of pages and mailboxes: the names in them are nobody's."""
TITLES = {
    *("the", "a", "an", "of", "and", "or", "de", "la", "le", "el", "der", "die", "das"),
    *("mr", "mrs", "ms", "miss", "dr", "prof", "sir"),
}
"""Words of a name that alone mean nobody, as those that the name writes small ("van")."""
NEVER = "(?!)"
SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현"
)
"""Korean names are written without a space: 김민지 is called 민지."""


def addressed(text: str, cast: Sequence[Character], last: str | None = None) -> list[Character]:
    """Return whom *text* names, in order of first mention; nobody if it names none.

    *last* is the id of who spoke last.
    """
    names = _names(tuple((who.id, who.name) for who in cast))
    here = _without_addresses(folded(text))
    at = _found(here.text, (*names, *GROUPS), at=True) if "@" in here.text else []
    found = _expanded([one.said.ids for one in at], cast, last)
    if not found:
        plain = [one for one in names if len(one.text) > 1 or not one.text.isascii()]
        mentions = _found(here.text, tuple(plain), at=False)
        found = [id for one in meant(here, mentions) for id in one.said.ids]
    by_id = {who.id: who for who in cast}
    return [by_id[id] for id in dict.fromkeys(found)]


def _without_addresses(text: Folded) -> Folded:
    bare = ELSEWHERE.sub(lambda found: " " * len(found[0]), text.text)
    return Folded(bare, text.shown, text.places)


def _expanded(
    mentions: Sequence[Sequence[str]], cast: Sequence[Character], last: str | None
) -> list[str]:
    """Put ids for @everyone and @others."""
    everybody = [who.id for who in cast]
    named = {id for ids in mentions for id in ids}
    spared = {*named} - {"@everyone", "@others"} or {last or ""}
    groups = {"@everyone": everybody, "@others": [id for id in everybody if id not in spared]}
    return [one for ids in mentions for id in ids for one in groups.get(id, [id])]


GROUPS = (
    *(SpokenName(word, ("@everyone",)) for word in EVERYBODY),
    SpokenName("others", ("@others",)),
)

# -- what people may say ---------------------------------------------------------------------


@lru_cache(maxsize=64)
def _names(cast: tuple[tuple[str, str], ...]) -> tuple[SpokenName, ...]:
    """Every name, its parts, and the runs of its parts."""
    ids: dict[str, dict[str, None]] = {}
    certain: set[str] = set()
    for id, name in cast:
        full = _one_space(fold(name))
        for said in filter(None, (full, *map(fold, _parts(name)), *_spelt(name))):
            if said == full or not FUNCTION.issuperset(SPLIT.split(said)):
                ids.setdefault(said, {})[id] = None
            if not is_described(full.split()) and not all(map(is_common, SPLIT.split(said))):
                certain.add(said)
    return tuple(
        SpokenName(said, tuple(who), said in certain, FUNCTION.issuperset(SPLIT.split(said)))
        for said, who in ids.items()
    )


def _parts(name: str) -> Iterator[str]:
    words = WORD.findall(name)
    for begin in range(len(words)):
        for end in range(begin + 2, len(words) + 1):
            yield " ".join(words[begin:end])
    is_titled = any(word[:1].isupper() for word in words)
    for part in [*words, *(half for word in words for half in SPLIT.split(word))]:
        if part.casefold() not in TITLES and not (is_titled and part[:1].islower()):
            yield part
    for word in words:
        if len(word) == 3 and HANGUL.match(word) and word[0] in SURNAMES:
            yield word[1:]


def _spelt(name: str) -> Iterator[str]:
    """Yield a name with umlauts, and its parts, as they are written without: Mueller."""
    other = name.lower().translate(SPELT)
    if other != name.lower():
        yield _one_space(fold(other))
        yield from map(fold, WORD.findall(other))


def _one_space(text: str) -> str:
    return " ".join(text.split())


# -- where it is said ------------------------------------------------------------------------


def _found(text: str, names: tuple[SpokenName, ...], *, at: bool) -> list[Mention]:
    """Return mentions in the text's order, of each name the first few; the longest at a place."""
    pattern, meanings = _pattern(names, at)
    counts: Counter[SpokenName] = Counter()
    found = []
    for match in pattern.finditer(text):
        said = meanings[(match.lastindex or 1) - 1]
        counts[said] += 1
        if counts[said] <= OFTEN:
            found.append(Mention(said, match.start(), match.end()))
    taken = {one.start for one in found}
    others = [one for one in _in_other_cases(text, names, at=at) if one.start not in taken]
    return sorted(found + others, key=lambda one: one.start)


@lru_cache(maxsize=64)
def _pattern(
    names: tuple[SpokenName, ...], at: bool
) -> tuple[re.Pattern[str], tuple[SpokenName, ...]]:
    """Compile a pattern that finds any of the names; each of its groups is one of them.

    The longest comes first, so that a full name is no mention of its parts. Whole words only; where
    the script has no spaces, wherever the name stands. Names are sorted by what stands before them
    and by their first letters: the time at a place of the text must not grow with the cast.
    """
    ways: dict[tuple[str, str], dict[str, list[SpokenName]]] = {}
    for one in sorted(names, key=lambda one: len(one.text), reverse=True):
        is_syllable = len(one.text) == 1 and (UNSPACED.match(one.text) or HANGUL.match(one.text))
        if at or not is_syllable:  # which is in too many words
            ends = before(one.text, at=at), after(one.text, at=at)
            ways.setdefault(ends, {}).setdefault(one.text[0], []).append(one)
    if not ways:
        return re.compile(NEVER), ()
    letters = {re.escape(letter) for by_letter in ways.values() for letter in by_letter}
    first = "@" if at else f"[{''.join(sorted(letters))}]"
    whole = "|".join(
        f"{begin}(?:{'|'.join(map(_literally, by_letter.values()))}){end}"
        for (begin, end), by_letter in ways.items()
    )
    meanings = (same for by_letter in ways.values() for same in by_letter.values())
    return re.compile(f"(?={first})(?:{whole})"), tuple(itertools.chain.from_iterable(meanings))


def _literally(names: Sequence[SpokenName]) -> str:
    """Return a pattern for names that begin with the same letter."""
    letter = re.escape(names[0].text[0])
    return f"(?={letter})(?:{'|'.join(f'({literal(one.text)})' for one in names)})"


def _in_other_cases(text: str, names: tuple[SpokenName, ...], *, at: bool) -> Iterator[Mention]:
    """Yield names with other endings: Cyrillic ones; after an ``@`` also Latin ones.

    Those need it, as "Paula" may be somebody else than Paul.
    """
    known = _stems(names, at)
    for match in itertools.islice(WITH_AT.finditer(text) if at else CYRILLIC.finditer(text), MOST):
        word = match[0].lstrip("@")
        for said, stem, cases in known.get(word[:2], ()) if known else ():
            if word.startswith(stem) and cases.fullmatch(word, len(stem)):
                yield Mention(said, match.start(), match.end(), is_inflected=True)
                break


@lru_cache(maxsize=64)
def _stems(
    names: tuple[SpokenName, ...], at: bool
) -> Mapping[str, Sequence[tuple[SpokenName, str, Cases]]]:
    """Return the stems of names, the longest first, by what words begin with that have them."""
    found: dict[str, list[tuple[SpokenName, str, Cases]]] = {}
    for one in sorted(names, key=lambda one: len(one.text), reverse=True):
        if one not in GROUPS and (at or CYRILLIC.fullmatch(one.text)):
            for stem, cases in stems(one.text):
                found.setdefault(stem[:2], []).append((one, stem, cases))
    return found
