"""Cutting a stream of text into clauses to be spoken, the first one as short as sounds natural.

The pieces joined equal the text, however the stream was chunked: a piece ends only where what
follows is known.
"""

from __future__ import annotations

import re

from attrs import define

FIRST_MIN = 12
"""The first clause may end at a comma once it has so many characters."""
LONGEST = 220
"""A clause without any punctuation is cut at a space once it has so many characters."""

MARK = re.compile(r"[.!?…。！？\n,;:–—，；：、-]")
"""Without one of these only the length ends a clause."""
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|[。！？]+[」』”’）]*|\n+")
CLAUSE_END = re.compile(r"(?:[,;:–—]|\s[-–—])(?=\s)|[，；：、]")
ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|a\.m|p\.m|No|Jr|Sr|approx)\.$"
)


@define
class Clauses:
    """Takes text as it streams in; gives back the clauses that are complete."""

    text: str = ""
    made: int = 0

    def feed(self, delta: str) -> list[str]:
        """Add *delta*; return the clauses that are complete now."""
        self.text += delta
        pieces = []
        while piece := self._next():
            pieces.append(piece)
        return pieces

    def flush(self) -> list[str]:
        """Return what is left, as the last clause."""
        rest, self.text = self.text, ""
        return [rest] if rest else []

    def _next(self) -> str:
        end = self._end()
        if not end:
            return ""
        piece, self.text = self.text[:end], self.text[end:]
        self.made += 1
        return piece

    def _end(self) -> int:
        """Where the first clause of the text ends, after its white space; 0 if not yet known."""
        if len(self.text) <= LONGEST and not MARK.search(self.text):
            return 0
        ends = [m.end() for m in SENTENCE_END.finditer(self.text) if self._is_end(m)]
        if not self.made:
            commas = CLAUSE_END.finditer(self.text)
            ends += [m.end() for m in commas if m.end() >= FIRST_MIN]
        ends = [end for end in ends if end <= LONGEST]
        if not ends and len(self.text) > LONGEST:
            space = self.text.rfind(" ", 1, LONGEST)
            ends = [space + 1 if space > 0 else LONGEST]
        return self._after_space(min(ends)) if ends else 0

    def _is_end(self, match: re.Match[str]) -> bool:
        before = self.text[: match.end()]
        if not before.strip():
            return False
        return not (match[0] == "." and ABBREVIATION.search(before))

    def _after_space(self, end: int) -> int:
        """Move past white space; not yet known while the text ends in it."""
        while end < len(self.text) and self.text[end].isspace():
            end += 1
        return end if end < len(self.text) else 0
