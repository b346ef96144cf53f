"""Takes: recordings made on a page so far, to compare. Hidden fields of its form hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from aichat.web.services.voice_previews import PREVIEWS

MOST = 4
LETTERS = "ABCD"
WRITTEN = re.compile(r"([0-9]{0,9}) ([0-9a-f]{64}) (.{0,200})", re.DOTALL)


@frozen
class Take:
    """One recording of a voice: made with *seed*, or by *voice*; *key* names the audio."""

    seed: int | None
    key: str
    voice: str = ""

    @property
    def address(self) -> str:
        """Where it can be heard."""
        return f"{PREVIEWS}{self.key}.wav"

    def __str__(self) -> str:
        """Write it for a hidden field."""
        return f"{'' if self.seed is None else self.seed} {self.key} {self.voice}"


def read(fields: Iterable[str]) -> list[Take]:
    """Parse hidden fields; any that we did not write are left out."""
    found = [WRITTEN.fullmatch(one) for one in fields]
    return [Take(int(m[1]) if m[1] else None, m[2], m[3]) for m in found if m]


def added(takes: Sequence[Take], take: Take) -> list[Take]:
    """Put a take at the end, once; the oldest go."""
    return [*(one for one in takes if one.key != take.key), take][-MOST:]
