"""A character never speaks for another.

While a reply streams in, the character's own name in front of a line and its tags (``<Olivia>``,
``</Olivia>``) are taken out, and the reply ends where the model begins another speaker's line or
opens another's tag. What may still turn out to be a name is held back until it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import define, field

PREFIX = re.compile(r"\s*[*_\[(]*([^\n:：\]]{1,80}?)[*_\])]*\s*[:：][*_]*[ \t]*")
TAG = re.compile(r"< ?(/?) ?([^<>\n]{1,80}?) ?>")
LONGEST_TAG = 90
OTHERS = ("user", "human")
"""What models call whoever talks to them."""


def _names(name: str) -> set[str]:
    return {name.casefold(), *(part.casefold() for part in name.split())}


@define
class OwnWords:
    """Filters one reply of *name*; *others* are the other speakers' names."""

    name: str
    others: Iterable[str] = ()
    tag: str = field(init=False, default="")
    """What may become a tag, from its ``<`` on."""
    held: str = field(init=False, default="")
    """What may become a speaker's name, from the start of its line on."""
    at_line_start: bool = field(init=False, default=True)
    is_over: bool = field(init=False, default=False)
    own: set[str] = field(init=False)
    foreign: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.own = _names(self.name)
        # a part of a name that the character has as well is no sign of another speaker
        self.foreign = {n for other in self.others for n in _names(other)} - self.own
        self.foreign |= {*OTHERS} - self.own

    def feed(self, delta: str) -> str:
        """Return what of the text is the character's own and certain by now."""
        if self.is_over:
            return ""
        if self.tag or "<" in delta:
            return self._tagged(self.tag + delta)
        return self._untagged(delta)

    def flush(self) -> str:
        """Return what was held back, at the end of the stream."""
        tag, self.tag = self.tag, ""
        out = self._untagged(tag)
        held, self.held = self.held, ""
        return out if self.is_over else out + self._judged(held)

    # -- tags --------------------------------------------------------------------------------

    def _tagged(self, text: str) -> str:
        """Take the tags of speakers out of *text*; keep what may become one for later."""
        out, self.tag = "", ""
        while text and not self.is_over:
            before, opened, rest = text.partition("<")
            out += self._untagged(before)
            text = opened + rest
            if not opened or self.is_over:
                break
            if (match := TAG.match(text)) is None:
                if self._may_be_tag(text):
                    self.tag = text
                    break
                out, text = out + self._untagged("<"), rest
            else:
                out, text = out + self._spoken(match), text[match.end() :]
        return out

    def _may_be_tag(self, text: str) -> bool:
        return len(text) < LONGEST_TAG and not re.search("[<>\n]", text[1:])

    def _spoken(self, match: re.Match[str]) -> str:
        """Return a tag that is no speaker's; another speaker's ends the reply."""
        closes, name = match[1], match[2].casefold()
        if name in self.own or (closes and name in self.foreign):
            return ""
        self.is_over = name in self.foreign
        return "" if self.is_over else self._untagged(match[0])

    # -- names in front of lines -------------------------------------------------------------

    def _untagged(self, text: str) -> str:
        if not self.at_line_start and "\n" not in text:
            return text
        out = ""
        for piece in re.split(r"(?<=\n)", text):
            out += self._piece(piece) if piece and not self.is_over else ""
        return out

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
        start = text.lstrip().lstrip("*_[(").casefold().replace("：", ":")
        if ":" in start:
            # the name is complete; wait for the white space after the colon as well
            return not start.rpartition(":")[2].strip("*_ \t")
        return any(n.startswith(start.rstrip("*_]) \t")) for n in (*self.own, *self.foreign))
