"""Distinguishing narration from emphasis: ``*She smiles.*`` is done, ``*never*`` is said.

Both stand between single stars (or underscores). Narration stands by itself, where a sentence may
begin, and ends as one; or it is known by its verb: *sighs*. Emphasis is part of a sentence. What
stands by itself is read after all when it is a title (*The Great Gatsby*), a question, a cry
(*Never!*) or a heading (*Note:*). Verbs are known in English only; in other languages it is the
place that decides, and what begins with a small letter there is narration.
"""

from __future__ import annotations

import re

from .markup_spans import begins_sentence
from .narration_words import (
    COMMANDS,
    DETERMINERS,
    DONE,
    EXPRESSED,
    FILLERS,
    NOTES,
    PRONOUNS,
    SAID,
    SUBJECTS,
)

EDGES = " \t\n.,;:!?…\"'“”‘’«»()[]*_~"
WORD = re.compile(r"\S+")
LOOKED_AT = 12
"""Words of a passage that are looked at."""
INNER_END = re.compile(r"[.!?…]['\"”’]?\s+\S")


def is_narration(before: str, inner: str, after: str) -> bool:
    """Return whether what stands between stars is an action or narration, and not to be read out.

    *before* and *after* are the text around it, from the start of its clause to the end.
    """
    words = [found[0].strip(EDGES) for found in _first(inner)]
    words = [word for word in words if word]
    if not words or inner.rstrip().endswith((":", "：")):
        return False
    if begins_sentence(before) and _ends_sentence(inner, after):
        return _is_narration_alone(words, inner, after)
    return _is_narration_within(words, before, inner, after)


def _first(text: str) -> list[re.Match[str]]:
    return [found for found, _ in zip(WORD.finditer(text), range(LOOKED_AT), strict=False)]


def _ends_sentence(inner: str, after: str) -> bool:
    """Return whether the passage ends as a sentence does, and another begins behind it."""
    if inner.rstrip()[-1:] in ".!?…。！？":
        return True
    rest = after.lstrip()
    if not rest:
        return True
    if not after[0].isspace() or rest[0] in ".,;:!?…()–—-&/" or rest[0].isdecimal():
        return False
    return "\n" in after[: len(after) - len(rest)] or not rest[0].islower()


def _is_narration_alone(words: list[str], inner: str, after: str) -> bool:
    """Judge a passage that is a sentence by itself."""
    said, first = [word.casefold() for word in words], words[0]
    if len(said) > 1 and len({*said}) == 1 and said[0] not in SAID:
        return True  # a sound: *knock knock*
    if said[0] in COMMANDS:
        return False
    if _is_done(said) or (len(said) <= 3 and said[-1] in NOTES):
        return True
    if INNER_END.search(inner[:-1]):
        return True  # more than one sentence
    last = inner.rstrip(" \"'”’*_")[-1:]
    if last in "?？" or (last in "!！" and said[0] not in SUBJECTS):
        return False
    if len(words) <= 3 and said[0] in SAID:
        return False
    if len(words) == 1:
        has_stop = last in ".…。" or not after.strip()
        return not (first[0].isupper() and has_stop)
    return not _is_title(words)


def _is_title(words: list[str]) -> bool:
    """Recognise a title by its capitals: *The Great Gatsby*."""
    return words[0][0].isupper() and all(w[0].isupper() for w in words if len(w) > 3)


def _is_narration_within(words: list[str], before: str, inner: str, after: str) -> bool:
    """Judge a passage in a sentence: an action is known by its verb, and by what it follows."""
    said = [word.casefold() for word in words]
    last = before[-80:].rstrip()
    previous = (last.split() or [""])[-1].strip(EDGES).casefold()
    if previous in PRONOUNS and not last.endswith((",", ";", "—", "–", "…")):
        return False
    if len(words) > 1 and _is_title(words):
        return False
    if said[0] in EXPRESSED and _is_third(said[0]):
        return len(said) > 1 or previous not in ("and", "or")
    if len(said) == 1 and said[0] in EXPRESSED and words[0].islower():
        at_end = not after.strip() and previous not in DETERMINERS
        return at_end or begins_sentence(before)
    if said[0] in SUBJECTS:
        return _is_done(said) and (len(said) > 2 or inner.rstrip()[-1:] in ".…")
    is_apart = last.endswith((",", ";", ":", "—", "–", "-", "…")) or previous in FILLERS or not last
    return is_apart and len(said) > 1 and said[0] in DONE and _is_third(said[0])


def _is_third(verb: str) -> bool:
    return verb.endswith(("s", "ing"))


def _is_done(said: list[str]) -> bool:
    """Return whether the words say what somebody does: "softly smiles", "the old door creaks"."""
    if said[0] in DONE or (len(said) > 1 and said[0].endswith("ly") and said[1] in DONE):
        return True
    return said[0] in SUBJECTS and any(word in DONE for word in said[1:6])
