"""How finished a transcript looks, and how that joins with how it sounded.

Signs that hold in every language come first: punctuation, open quotes and brackets, numbers in a
row. Recognisers that write no punctuation leave only the last word, so that the commonest words
with which no sentence ends are listed for a few languages.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from .local_agreement import words

UNKNOWN = 0.5
UNFINISHED, DICTATED, STATED, ASKED = 0.05, 0.15, 0.7, 0.97
"""Endpoint probabilities of words that end like that."""
MAX_SOUND_CERTAINTY = 0.95
"""Highest certainty granted to a model that listens: the share that it gets right."""

SENTENCE_ENDS = ".!。．！।"
QUESTIONS = "?？؟"
CONTINUATION_MARKS = ",;:،、，；：-–—"
PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "“": "”",
    "«": "»",
    "「": "」",
    "『": "』",
    "（": "）",
    "„": "“”",
}
QUOTES = "\"'”’»)]}」』）"


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


HESITATION = _words(
    "um umm uh uhh erm ehm hm hmm hmmm mm äh ähm öh euh えっと えー あの 那个 嗯 음"
)
"""Sounds of hesitation: an utterance of nothing else has not begun."""

CONNECTIVES = _words(
    "and but or nor because although unless whereas the a my your our their whose",
    "und oder aber weil dass wenn sondern eine einen einem mein meine maar omdat",
    "et ou mais parce que qu le les un une des mon ma mes",
    "y pero porque el las una mas che perché il gli",
    "и или но потому чтобы lub że",
)
"""Nothing ends with these. Words that also end something, if only in another language, are not
here: "from", "an", "du", "ein"."""

NUMBERS = _words(
    "zero oh one two three four five six seven eight nine ten double triple",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "un deux trois quatre cinq sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
)
DIGITS = re.compile(r"\d{1,4}")


# asked at every silent frame, of a text that seldom changes
@lru_cache(maxsize=256)
def has_words(text: str) -> bool:
    """Return whether anything was said but sounds of hesitation."""
    return any(word not in HESITATION for word in words(text))


@lru_cache(maxsize=256)
def finished(text: str) -> float:
    """Return the endpoint probability of *text*, 0 to 1; 0.5 where the words do not show it."""
    text = text.strip()
    said = words(text)
    if not said:
        return UNKNOWN
    if _is_unclosed(text) or said[-1] in HESITATION:
        return UNFINISHED
    end = text.rstrip(QUOTES)
    if end.endswith(tuple(QUESTIONS)):
        return ASKED
    if end.endswith(("...", "…", *CONTINUATION_MARKS)) or said[-1] in CONNECTIVES:
        return UNFINISHED
    if _is_dictated(said):
        return DICTATED
    return STATED if end.endswith(tuple(SENTENCE_ENDS)) else UNKNOWN


def _is_unclosed(text: str) -> bool:
    """Return whether a quote or a bracket has been opened and not closed."""
    pairs = ((opening, closing) for opening, closing in PAIRS.items() if opening in text)
    for opening, closing in pairs:
        if text.count(opening) > sum(map(text.count, closing)):
            return True
    return text.count('"') % 2 == 1


def _is_dictated(said: list[str]) -> bool:
    """Return whether the last words are numbers in a row, as of a telephone or a card."""
    last = [bool(DIGITS.fullmatch(word)) or word in NUMBERS for word in said[-2:]]
    return len(last) == 2 and all(last)


def fused(by_words: float, by_sound: float | None) -> float:
    """Join two independent judgements; each of 0.5 leaves the other as it is, within bounds."""
    if by_sound is None:
        return by_words
    sound = min(max(by_sound, 1 - MAX_SOUND_CERTAINTY), MAX_SOUND_CERTAINTY)
    log_odds = _logit(by_words) + _logit(sound)
    return 1 / (1 + math.exp(-log_odds))


def endpoint(text: str, by_sound: float | None) -> float:
    """Return the endpoint probability of a pause behind *text*, which sounded like that.

    Recognisers put a full stop behind what sounds like an end, and often behind what does not: it
    is no sign of its own where the sound was judged.
    """
    by_words = finished(text)
    if by_sound is not None and by_words == STATED:
        by_words = UNKNOWN
    return fused(by_words, by_sound)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 0.01), 0.99)
    return math.log(bounded / (1 - bounded))
