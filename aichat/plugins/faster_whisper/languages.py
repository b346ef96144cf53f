"""Which language is spoken, and whether a model writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from .hallucinations import NO_SPEECH
from .short_context import RATE, SHORTEST, encode

SURE, CERTAIN = 0.6, 0.8
"""Probabilities from which a language is believed that the user is not known to speak, and one
that contradicts a setting."""
DOUBTFUL = -0.7
"""Mean log-probability of a token, below which an English model has hardly heard English. Of 39
recordings of people who speak English, one is below; of 60 clips in 19 other languages, 50 are."""


@frozen
class Heard:
    """What a model wrote of some audio, in *passages*, and the language if that is certain."""

    passages: Sequence[Any] = ()
    language: str | None = None


def is_doubtful(passages: Sequence[Any]) -> bool:
    """Return whether an English model wrote this of speech in another language.

    Also what it makes up counts, unless it seems that nobody spoke.
    """
    likely = [one.avg_logprob for one in passages if one.no_speech_prob < NO_SPEECH]
    return bool(likely) and sum(likely) / len(likely) < DOUBTFUL


def spoken_at_the_start(engine: Any, audio: Any, likely: Sequence[str]) -> str:
    """Return the language of float samples."""
    return spoken(engine, encode(engine, audio[: SHORTEST * RATE]), likely)


def spoken(engine: Any, encoded: Any, likely: Sequence[str]) -> str:
    """Return the language of encoded audio: the most probable one.

    If that is none of the *likely* ones and not sure, the most probable of these.
    """
    chances = _chances(engine, encoded)
    best = max(chances, key=chances.__getitem__)
    known = [code for code in likely if code in chances]
    if not known or chances[best] >= SURE:
        return best
    return max(known, key=chances.__getitem__)


def surely_spoken(engine: Any, encoded: Any) -> str | None:
    """Return the language of encoded audio if that is certain; an English model never is."""
    if not engine.model.is_multilingual:
        return None
    chances = _chances(engine, encoded)
    best = max(chances, key=chances.__getitem__)
    return best if chances[best] >= CERTAIN else None


def _chances(engine: Any, encoded: Any) -> dict[str, float]:
    (found,) = engine.model.detect_language(encoded)
    return {token[2:-2]: chance for token, chance in found}
