"""Interim transcripts that do not flicker: a word stands once two hypotheses in a row agree on it.

(Local agreement, as in Whisper-Streaming.) What stands is never taken back while the utterance
goes on; the final transcript may still correct it.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define


def normalized(word: str) -> str:
    """Return a word without its case and punctuation, which change between interims."""
    bare = word.casefold()
    return bare if bare.isalnum() else "".join(filter(str.isalnum, bare)) or word


def words(text: str) -> list[str]:
    """Return the words of a text by which two transcripts are compared."""
    return [normalized(word) for word in text.split() if any(map(str.isalnum, word))]


@define
class LocalAgreement:
    """The agreement between one utterance's hypotheses."""

    stable: tuple[str, ...] = ()
    """Words that two hypotheses agreed on."""
    latest: tuple[str, ...] = ()
    """The newest hypothesis."""

    def add(self, hypothesis: str) -> None:
        """Take in the next hypothesis."""
        before, self.latest = self.latest, tuple(hypothesis.split())
        agreed = _common(before, self.latest)
        if agreed > len(self.stable):
            self.stable += self.latest[len(self.stable) : agreed]

    @property
    def text(self) -> str:
        """The stable words as text."""
        return " ".join(self.stable)

    @property
    def tail(self) -> str:
        """What the newest hypothesis adds, and may be gone with the next."""
        return " ".join(self.latest[len(self.stable) :])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the number of words at the beginning that are the same."""
    pairs = zip(one, other, strict=False)
    differs = (place for place, (a, b) in enumerate(pairs) if normalized(a) != normalized(b))
    return next(differs, min(len(one), len(other)))
