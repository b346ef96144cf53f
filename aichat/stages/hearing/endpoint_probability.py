"""Endpoint probabilities: what each sign of an end has been worth so far.

A sign is what speaks for an end when a transcript comes: how finished the words look, how long it
has been quiet, how it sounded. Every sign that is seen is checked against what the user said in the
end, whether an answer was begun or not; so a recogniser that puts a full stop after every interim
is soon believed no more, and one that knows the end before the voice stops is believed at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from attrs import define, field, frozen

from .completeness import UNKNOWN, fused

REVOKED_SHARE = 0.25
"""Largest share of the speculative turns that may be revoked."""
REVOKED_ALLOWANCE = 1.5
"""Revoked turns allowed beyond that share, so that a conversation can begin."""
MIN_PROBABILITY = 0.4
"""Lowest endpoint probability at which a speculative turn is begun."""
PRIOR_IN_VOICE, PRIOR_PARTIAL = 0.1, 0.3
"""How likely an end is of which nothing shows in the words: while the voice goes on; while the
transcript does not cover all of it."""
SHORT_PAUSE_MS = 150
"""Longest silence (ms) that may be within a word, or between two."""
PRIOR_WEIGHT = 4.0
"""Observations of a sign that its prior weighs as much as."""
SIGN_DECAY, SPECULATED_DECAY = 0.95, 0.98
"""Factor by which older signs fade with each new one of their kind; factor by which the speculative
turns fade with each utterance."""


class Kind(NamedTuple):
    """Signs of one kind are worth the same."""

    by_words: float
    is_quiet: bool
    is_long: bool
    covers_all: bool
    sounds_finished: bool | None


@frozen
class Sign:
    """What speaks for an end.

    *by_words* and *by_sound* are the endpoint probabilities by the words and, where it was judged,
    the sound. *covers_all*: the transcript covers all that was said.
    """

    by_words: float
    silence_ms: int
    by_sound: float | None = None
    covers_all: bool = True

    @property
    def kind(self) -> Kind:
        """The kind under which the sign is counted."""
        sounds = None if self.by_sound is None else self.by_sound >= UNKNOWN
        quiet, long = self.silence_ms > 0, self.silence_ms > SHORT_PAUSE_MS
        return Kind(self.by_words, quiet, long, self.covers_all, sounds)

    @property
    def prior(self) -> float:
        """The prior: how likely it is the end while no such sign has been seen."""
        by_words = self.by_words
        if by_words == UNKNOWN and not self.covers_all:
            by_words = PRIOR_PARTIAL if self.silence_ms else PRIOR_IN_VOICE
        return fused(by_words, self.by_sound)


@define
class Tally:
    """How often something was right, and how often it was seen; older ones count less."""

    right: float = 0.0
    seen: float = 0.0

    def add(self, is_right: bool) -> None:
        """Count one more."""
        self.right, self.seen = self.right + is_right, self.seen + 1

    def decay(self, by: float) -> None:
        """Let all of them count less."""
        self.right, self.seen = self.right * by, self.seen * by


SeenSigns = dict[tuple[Kind, tuple[str, ...]], None]
"""The signs of one utterance, each once, with the words that were known when it was seen."""


@define
class EndpointEstimator:
    """What one user's signs are worth, and how many speculative turns were kept."""

    tallies: defaultdict[Kind, Tally] = field(factory=lambda: defaultdict(Tally))
    speculated: Tally = field(factory=Tally)
    """Speculative turns; right are those that were committed."""
    shows_early: bool = False
    """An end has shown in the words before the voice stopped."""

    def learn(self, signs: SeenSigns, said: Sequence[str]) -> None:
        """The user has said these words, and no others: check what was a sign of that."""
        if not signs:
            return
        for kind, words in signs:
            is_right = words == tuple(said)
            self.tallies[kind].decay(SIGN_DECAY)
            self.tallies[kind].add(is_right)
            self.shows_early |= is_right and kind.by_words > UNKNOWN and not kind.is_quiet
        # so that what went wrong once is tried again some day
        self.speculated.decay(SPECULATED_DECAY)

    def probability(self, sign: Sign) -> float:
        """Return the probability that the user has finished."""
        tally = self.tallies[sign.kind]
        return (sign.prior * PRIOR_WEIGHT + tally.right) / (PRIOR_WEIGHT + tally.seen)

    def should_speculate(self, sign: Sign) -> bool:
        """Return whether a speculative turn may be begun: likely enough, and few were revoked.

        An end likelier than the allowed share demands may always be tried: it lowers the share.
        """
        likely = self.probability(sign)
        vain = self.speculated.seen - self.speculated.right + 1 - likely
        is_within = vain <= REVOKED_SHARE * (self.speculated.seen + 1) + REVOKED_ALLOWANCE
        return likely >= 1 - REVOKED_SHARE or (likely >= MIN_PROBABILITY and is_within)
