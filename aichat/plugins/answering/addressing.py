"""Who answers: the characters that the user's words address.

``@Name`` mentions win: exactly those, in that order. Without ``@``, a plain mention of a name
(whole words, any part of a name of several words, any case) selects those, in order of first
mention. Nobody mentioned: everybody, in the conversation's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from aichat.core import Character

EVERYBODY = re.compile(r"@(?:everyone|everybody|all)\b", re.IGNORECASE)
WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*", re.UNICODE)


def addressed(text: str, cast: Sequence[Character]) -> list[Character]:
    """Return who of the *cast* is to answer *text*, in speaking order."""
    if EVERYBODY.search(text):
        return list(cast)
    return _mentioned(text, cast, at=True) or _mentioned(text, cast, at=False) or list(cast)


def _mentioned(text: str, cast: Sequence[Character], *, at: bool) -> list[Character]:
    found: dict[str, tuple[int, Character]] = {}
    for who in cast:
        places = [m.start() for name in _names(who) for m in _find(name, text, at)]
        if places:
            found[who.id] = (min(places), who)
    # two who share the mentioned name answer in the conversation's order: sorting is stable
    return [who for _, who in sorted(found.values(), key=lambda pair: pair[0])]


def _names(who: Character) -> list[str]:
    words = WORD.findall(who.name)
    return list(dict.fromkeys([who.name.strip(), *words])) if words else [who.name.strip()]


def _find(name: str, text: str, at: bool) -> Iterator[re.Match[str]]:
    return _pattern(name, at).finditer(text) if name else iter(())


@lru_cache(maxsize=1024)
def _pattern(name: str, at: bool) -> re.Pattern[str]:
    before = r"(?<!\w)@" if at else r"(?<![\w@])"
    return re.compile(rf"{before}{re.escape(name)}(?![\w@])", re.IGNORECASE)
