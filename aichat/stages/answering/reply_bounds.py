"""How much of a reply is taken in at once, and when it is ended although the model goes on.

A model may send all of a reply at once, and may never end: the small ones loop on a word, on spaces
or on stars, and a stuck server sends a letter now and then. So text is taken in slices, between
which others work; a reply that repeats itself, that shows nothing, or that is too long or too slow
is ended with a notice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from attrs import define

from aichat.core import THINKING, BackendFailed, Clock, TimedOut

T = TypeVar("T")

SLICE = 500
"""Letters that are taken in at once: some milliseconds of work at the very most."""
LONGEST_REPLY = 100_000
"""Letters of a reply, all rounds with tools together, unless the language model's backend has a
``max_reply_letters``. Two hours of speech."""
THINKING_SECONDS = 600.0
"""The longest that a model thinks before it writes, unless its backend has ``thinking_seconds``."""
REPLY_SECONDS = 600.0
"""The longest that a model takes to write a reply, unless its backend has ``reply_seconds``. Pauses
in which it waits for the loudspeaker do not count, nor does its thinking."""
LOOP = 3_000
"""Letters after which a reply ends that only repeats itself, or that shows nothing."""
PERIOD = 200
"""Most letters of the piece that is repeated."""
CHECKED_EACH = 250
"""Letters between two checks for a repetition."""

SEEN = re.compile(
    r"[^\s*_~`#>|\x00-\x1f\x7f-\x9f\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U000e0000-\U000e0fff]"
)
"""What can be seen: neither white space nor an invisible character, nor mark-up by itself."""


def shows(text: str) -> bool:
    """Return whether there is anything to be seen in a text."""
    return SEEN.search(text) is not None


@define
class ReplyBounds:
    """Counts one reply of *name*: its letters, and the seconds that its model thinks and writes."""

    name: str
    longest: int = LONGEST_REPLY
    thinking_seconds: float = THINKING_SECONDS
    reply_seconds: float = REPLY_SECONDS
    waited: float = 0.0
    """Seconds for which the model was waited for."""
    thinks_since: float | None = None
    count: int = 0
    unseen: int = 0
    """Letters since the last that showed something."""
    recent: str = ""
    unchecked: int = 0

    def slices(self, delta: str) -> Iterator[str]:
        """Yield *delta* in slices, as far as there is room.

        Raises :class:`BackendFailed` behind the slice with which the reply must end.
        """
        if 0 < len(delta) <= SLICE and len(delta) <= self.longest - self.count:  # most often
            yield delta
            self._note(delta)
            return
        for at in range(0, len(delta), SLICE):
            piece = delta[at : at + min(SLICE, max(1, self.longest - self.count))]
            yield piece
            self._note(piece)

    def wait(self, seconds: float) -> None:
        """Count a wait for the model. Raises :class:`TimedOut` when all were too long together."""
        self.waited += seconds
        if self.waited > self.reply_seconds:
            raise TimedOut(
                f"{self.name}'s reply was ended: it took {self.reply_seconds:g} seconds to write.",
                "Choose a faster model, or raise its reply_seconds in plugins.toml.",
            )

    def think(self, now: float) -> None:
        """The model thinks. Raises :class:`TimedOut` when it has done nothing else for too long."""
        self.thinks_since = now if self.thinks_since is None else self.thinks_since
        if now - self.thinks_since > self.thinking_seconds:
            raise TimedOut(
                f"{self.name}'s model was still thinking after {self.thinking_seconds:g} seconds.",
                "Let it think less, choose another model, or raise its thinking_seconds in "
                "plugins.toml.",
            )

    def _note(self, piece: str) -> None:
        self.count += len(piece)
        is_seen = shows(piece)
        self.thinks_since = None if is_seen else self.thinks_since
        self.unseen = 0 if is_seen else self.unseen + len(piece)
        self.recent = (self.recent + piece)[-LOOP:]
        self.unchecked += len(piece)
        if self.count >= self.longest:
            raise BackendFailed(
                f"{self.name}'s reply was ended after {self.longest:,} letters.",
                "Ask for the rest, or raise max_reply_letters of the model in plugins.toml.",
            )
        if self.unseen >= LOOP:
            self._give_up("showed nothing any more")
        if self.unchecked >= CHECKED_EACH:
            self.unchecked = 0
            if repeats_itself(self.recent):
                self._give_up("only repeated itself")

    def _give_up(self, why: str) -> None:
        raise BackendFailed(
            f"{self.name}'s reply was ended: it {why}.",
            "Ask again, or choose another model, or a higher temperature.",
        )


@define
class WithinTime(AsyncIterator[T]):
    """A model's stream; each wait for its next piece counts towards the *bounds* of the reply."""

    stream: AsyncIterator[T]
    clock: Clock
    bounds: ReplyBounds

    async def __anext__(self) -> T:
        since = self.clock.now()
        piece = await self.stream.__anext__()
        if piece is not THINKING:
            self.bounds.wait(self.clock.now() - since)
        return piece


def repeats_itself(recent: str) -> bool:
    """Return whether the last ``LOOP`` letters are one short piece, over and over."""
    if len(recent) < LOOP:
        return False
    return recent.find(recent[PERIOD:]) < PERIOD  # where it is, and a period earlier
