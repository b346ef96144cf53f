"""Texts at which a reply ends: found however the pieces are cut, and never shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define


@define
class Stops:
    """Passes text on up to the first of *texts*, none of them empty.

    What may be the beginning of one is buffered.
    """

    texts: Sequence[str]
    held: str = ""
    is_over: bool = False
    """One was found: nothing more is passed on."""

    def feed(self, text: str) -> str:
        """Return what of the text surely comes before any stop."""
        if self.is_over:
            return ""
        whole = self.held + text
        found = [place for stop in self.texts if (place := whole.find(stop)) >= 0]
        if found:
            self.held, self.is_over = "", True
            return whole[: min(found)]
        sure = len(whole) - _begun(whole, self.texts)
        self.held = whole[sure:]
        return whole[:sure]

    def flush(self) -> str:
        """Return what was buffered: nothing follows that would complete a stop string."""
        held, self.held = self.held, ""
        return held


def _begun(text: str, stops: Iterable[str]) -> int:
    """Return how many letters at the end of *text* may be the beginning of a stop."""
    longest = 0
    for stop in stops:
        for length in range(min(len(stop) - 1, len(text)), longest, -1):
            if text.endswith(stop[:length]):
                longest = length
                break
    return longest
