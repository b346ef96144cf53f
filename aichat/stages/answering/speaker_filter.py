"""The speaker filter: a character never speaks for another.

While a reply streams in, the character's own name in front of a line and its tags (``<Olivia>``,
``</Olivia>``) are taken out, and the reply ends where the model begins another speaker's line or
opens another's tag. A stage direction may follow the name: "Olivia (smiling): ". What may still
turn out to be a name is held back until it is known, and only the first 120 letters of a line can:
so the work for each letter has a bound, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import define, field

LONGEST_PREFIX = 120
"""Letters of a line that may name a speaker."""
LINES = re.compile(r"[^\n]*+\n++|[^\n]++")
"""A line, with the empty ones that follow, or the beginning of one."""
COLON = re.compile("[:：\n]")
SPACE = re.compile(r"[*_]*+[ \t]*+")
"""What belongs to a name, behind its colon."""
DIRECTION = re.compile(
    r"[\s*_)\]]*(?:\([^()\n]*\)|\[[^\[\]\n]*\]|\*(?=\S)[^*\n]*\*|_(?=\S)[^_\n]*_)[*_]*\s*"
)
"""What may stand between a name and its colon: (smiling), [whispers], *laughs*;"""
BEGUN = re.compile(
    r"[\s*_)\]]*(?:\([^()\n]*\)?|\[[^\[\]\n]*\]?|\*(?=\S)[^*\n]*\*?|_(?=\S)[^_\n]*_?)?[*_]*\s*"
)
"""the beginning of it."""
TAG = re.compile(r"< ?(/?) ?([^<>\n]{1,80}?) ?>")
MAYBE_TAG = re.compile(r"<[^<>\n]*+\Z")
LONGEST_TAG = 90
OTHERS = ("user", "human")
"""Names that models give to the user."""
OWN_HEADING, HEADINGS = {"assistant", "response"}, {"instruction", "input"}
"""Headings (###) that templates without tokens put before the model's text, and before others'."""
OPENING, MARKS = "#*_[( \t", "*_[]() \t"


def _names(name: str) -> set[str]:
    return {name.casefold(), *(part.casefold() for part in name.split())}


@define
class SpeakerFilter:
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
    names: tuple[str, ...] = field(init=False)
    is_first: bool = field(init=False, default=True)
    """No line of the reply is complete yet."""

    def __attrs_post_init__(self) -> None:
        self.own = _names(self.name)
        # a part of a name that the character has as well is no sign of another speaker
        self.foreign = {n for other in self.others for n in _names(other)} - self.own
        self.foreign |= {*OTHERS} - self.own
        self.names = (*self.own, *self.foreign)

    def feed(self, delta: str) -> str:
        """Return what of the text is the character's own and certain by now."""
        if self.is_over:
            return ""
        if self.tag or "<" in delta:
            return self._tagged(self.tag + delta)
        if not self.at_line_start and "\n" not in delta:  # most often
            return delta
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
        out, at, self.tag = [], 0, ""
        while not self.is_over and (begin := text.find("<", at)) >= 0:
            out.append(self._untagged(text[at:begin]))
            at = begin
            if self.is_over:
                break
            if match := TAG.match(text, begin):
                out.append(self._spoken(match))
                at = match.end()
            elif len(text) - begin < LONGEST_TAG and MAYBE_TAG.match(text, begin):
                self.tag = text[begin:]
                return "".join(out)
            else:
                out.append(self._untagged("<"))
                at = begin + 1
        if not self.is_over:
            out.append(self._untagged(text[at:]))
        return "".join(out)

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
        out = []
        for piece in LINES.findall(text):
            if self.is_over:
                break
            out.append(self._piece(piece))
        return "".join(out)

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
        """Take the character's name from a line; another's ends the reply."""
        colon = COLON.search(line, 0, LONGEST_PREFIX)
        if colon is None or colon[0] == "\n":
            self.is_first = self.is_first and line.isspace()
            return line
        name = self._named(line[: colon.start()])
        is_heading = line.lstrip().startswith("###")
        is_first, self.is_first = self.is_first, False
        if name in self.foreign or (is_heading and name in HEADINGS and not is_first):
            self.is_over = True
            return ""
        space = SPACE.match(line, colon.end(), LONGEST_PREFIX)
        is_own = name in self.own or (is_heading and name in OWN_HEADING)
        return line[space.end() :] if space and is_own else line

    def _named(self, prefix: str) -> str:
        """Return the speaker that a prefix names, in small letters; "" if it names none."""
        start = prefix.lstrip(OPENING).casefold()
        if (whole := start.rstrip(MARKS)) in {*self.names, *OWN_HEADING, *HEADINGS}:
            return whole
        for name in self.names:
            rest = start.removeprefix(name)
            if rest != start and DIRECTION.fullmatch(rest):
                return name
        return ""

    def _may_be_prefix(self, text: str) -> bool:
        """Return whether *text*, at the start of a line, could still turn out to name a speaker."""
        if len(text) >= LONGEST_PREFIX or text.endswith("\n"):
            return False
        start = text.lstrip(OPENING).casefold().replace("：", ":")
        if ":" in start:
            # the name is complete; wait for the white space after the colon as well
            return not start.partition(":")[2].strip("*_ \t")
        bare = start.rstrip(MARKS)
        headings = (*OWN_HEADING, *HEADINGS) if text.startswith("###") else ()
        return any(
            name.startswith(bare) or BEGUN.fullmatch(start.removeprefix(name))
            for name in (*self.names, *headings)
            if name.startswith(bare) or start.startswith(name)
        )
