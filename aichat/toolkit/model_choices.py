"""Models that a backend recommends: how large they are, under which licence, and how fast here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from .weights import Weights

SPOKEN = 4.0
"""Tokens a second that a voice reads out, about."""
PROMPT = 300
"""Tokens of a prompt early in a conversation, about."""


@frozen
class ModelChoice:
    """A model that can be downloaded: *megabytes* of weights. *about* says what it is good for."""

    weights: Weights
    megabytes: int
    licence: str
    about: str

    @property
    def name(self) -> str:
        """What ``litestar aichat models download`` calls it."""
        return self.weights.name


@frozen
class Rate:
    """How fast this machine computes a model, measured: megabytes of weights a second.

    *write* is for a reply, token by token; *read* for a prompt, all of whose tokens are computed
    together: megabytes times tokens.
    """

    write: float
    read: float

    def tokens_per_second(self, megabytes: int) -> float:
        """Return how many tokens of a reply a model of that size writes in a second."""
        return self.write / megabytes

    def first_token_seconds(self, megabytes: int) -> float:
        """Return how long a model of that size reads a short prompt."""
        return PROMPT * megabytes / self.read

    def words(self, megabytes: int) -> str:
        """Say what to expect of a model of that size."""
        speed, first = self.tokens_per_second(megabytes), self.first_token_seconds(megabytes)
        pace = "faster than speech" if speed >= SPOKEN else "slower than speech: it will pause"
        return f"about {_short(speed)} tokens/s ({pace}), first word after {_short(first)} s"


def _short(number: float) -> str:
    """Return a number with two digits, as people write it."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


@frozen
class Recommended:
    """What a backend recommends, and how to measure this machine (blocks for a second or two)."""

    choices: Sequence[ModelChoice] = ()
    measure: Callable[[], Rate] | None = None


def recommended(backend: object) -> Recommended:
    """Return the attribute ``recommended`` of a backend, which need not be entered."""
    found: Recommended = getattr(backend, "recommended", Recommended())
    return found
