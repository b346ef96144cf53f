"""A character never speaks for another.

While a reply streams in, the character's own name in front of a line is taken out, and the reply
ends where the model begins another speaker's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import define, field

PREFIX = re.compile(r"\s*[*_\[(]*([^\n:\]]{1,80}?)[*_\])]*\s*:[*_]*[ \t]*")


def _names(name: str) -> set[str]:
    return {name.casefold(), *(part.casefold() for part in name.split())}


@define
class OwnWords:
    """Filters one reply of *name*; *others* are the other speakers' names."""

    name: str
    others: Iterable[str] = ()
    held: str = field(init=False, default="")
    at_line_start: bool = field(init=False, default=True)
    is_over: bool = field(init=False, default=False)
    own: set[str] = field(init=False)
    foreign: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.own = _names(self.name)
        # a part of a name that the character has as well is no sign of another speaker
        self.foreign = {n for other in self.others for n in _names(other)} - self.own
        self.foreign |= {"user"}

    def feed(self, delta: str) -> str:
        """Return what of the text is the character's own and certain by now."""
        if not self.at_line_start and "\n" not in delta:
            return "" if self.is_over else delta
        out = ""
        for piece in re.split(r"(?<=\n)", delta):
            out += self._piece(piece) if piece and not self.is_over else ""
        return out

    def flush(self) -> str:
        """Return what was held back, at the end of the stream."""
        held, self.held = self.held, ""
        return "" if self.is_over else self._judged(held)

    def _piece(self, piece: str) -> str:
        """Handle text within one line; *piece* may end it."""
        if not self.at_line_start:
            self.at_line_start = piece.endswith("\n")
            return piece
        self.held += piece
        if self._may_be_prefix(self.held):
            return ""
        held, self.held = self.held, ""
        self.at_line_start = held.endswith("\n")
        return self._judged(held)

    def _judged(self, line: str) -> str:
        match = PREFIX.match(line)
        if match is None:
            return line
        name = match[1].strip().casefold()
        if name in self.foreign:
            self.is_over = True
            return ""
        return line[match.end() :] if name in self.own else line

    def _may_be_prefix(self, text: str) -> bool:
        """Tell whether *text*, at the start of a line, could still turn out to name a speaker."""
        if text.endswith("\n"):
            return not text.strip()
        start = text.lstrip().lstrip("*_[(").casefold()
        if ":" in start:
            # the name is complete; wait for the white space after the colon as well
            return not start.rpartition(":")[2].strip("*_ \t")
        return any(n.startswith(start.rstrip("*_]) \t")) for n in (*self.own, *self.foreign))
