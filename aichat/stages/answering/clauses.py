"""Cutting a stream of text into clauses to be spoken, the first one as short as sounds natural.

The pieces joined equal the text, however the stream was chunked: a piece ends only where what
follows is known. What is not read out as it stands (:mod:`.markup_spans`) is never cut. The work
for each letter has a bound: runs of marks and of white space are looked at in parts.
"""

from __future__ import annotations

import re

from attrs import define, field

from .full_stops import WAIT, ends_sentence
from .markup_spans import MarkupSpans

COMMA_MIN = (12, 40, 90)
"""Bytes from which the first clauses may end at a comma: speech begins early, and each
clause lasts while the next is written and spoken. Bytes, because a Chinese letter says as much as
three of ours. Later clauses are sentences."""
LONGEST = 220
"""Characters from which a clause without any punctuation is cut at a space."""
RUN = 32
"""Marks of one kind that end a clause together;"""
SPACES = 64
"""white space that belongs to the clause before it;"""
JOINTS = 64
"""letters that belong to the one before them."""
BEHIND = 128
"""What is kept of the text before a clause: what follows is read in its light."""
DROPPED = 1_024
"""Fewest characters of emitted text that are dropped at once."""

EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
CLOSERS = f"[\"'”’“»›)\\]*_]{{0,{RUN}}}+"
WIDE_CLOSERS = f"[」』”’）》】]{{0,{RUN}}}+"
POINTS, WIDE_POINTS = f"[.!?…؟۔।॥։።]{{1,{RUN}}}+", f"[。！？។။]{{1,{RUN}}}+"
COMMAS, WIDE_COMMAS = "[,;:،؛]", "[，；：、]"
POINT = re.compile(
    rf"{POINTS}{CLOSERS}(?=[\s{EMOJI}])|{WIDE_POINTS}{WIDE_CLOSERS}(?=.|\n)|\n{{1,{SPACES}}}+"
)
COMMA = re.compile(
    rf"{COMMAS}{CLOSERS}(?=\s)|(?:[–—]|(?<=\s)-)(?=\s)|{WIDE_COMMAS}{WIDE_CLOSERS}(?=.|\n)"
)
INNER_POINT = re.compile(r"(?<![.!?…])[.!?…]++[*_]++\Z")
"""A sentence that ends within its marks: **Yes.**"""
FULL_STOP = re.compile(rf"\.{CLOSERS}")
UNSURE = re.compile(
    rf"(?:(?:{POINTS}|{COMMAS}){CLOSERS}|(?:{WIDE_POINTS}|{WIDE_COMMAS}){WIDE_CLOSERS}|[-–—]"
    rf"|\n{{1,{SPACES}}}+)\Z"
)
"""A mark at the end of what is known."""
MARKS = re.compile("[.!?…؟۔।॥։።。！？។။\n,;:،؛，；：、–—-]")
TELLING = re.compile(r"[`~*_$\[(（<\\.!?…؟۔।॥։።。！？។။\n,;:،؛，；：、–—-]")
"""Words without any of these neither end a clause nor begin anything."""
ENTITY = re.compile(r"&#?\w{1,10};\Z")
SPACED_ABBREVIATION = re.compile(r"[^\W\d_]\.\s[^\W\d_]\.")
"""One that is no clause by itself: "d. h." """
SPACED = re.compile(r"[^\W\d_](?:\.(?:\s[^\W\d_]?)?)?\Z")
"""What may become one."""
NEWLINES = re.compile(r"\n++")
SPACE = re.compile(rf"\s{{0,{SPACES}}}+")
JOINED = re.compile(
    "[\u0300-\u036f\u200d\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""What belongs to the letter or emoji before it."""


@define
class Clauses:
    """Takes text as it streams in; gives back the clauses that are complete."""

    text: str = ""
    begin: int = 0
    """Where the clause begins that is not complete; what is before it was given out."""
    made: int = 0
    at: int = 0
    """Up to here no clause ends, whatever follows."""
    spans: MarkupSpans = field(factory=MarkupSpans)
    passed: int = 0
    """How many of the spans are before that."""
    block: list[str] = field(factory=list)
    """What has come of a block of code that is not closed: it is long, and not looked at again."""

    def feed(self, delta: str) -> list[str]:
        """Add *delta*; return the clauses that are complete now."""
        if self.spans.fence:
            self.block.append(delta)
            if not self.spans.closes(delta):
                return []
            delta = "".join(self.block)
            self.block.clear()
        before = len(self.text)
        self.text += delta
        is_known = self.at == self.spans.at == before and before - self.begin < LONGEST - RUN
        if is_known and len(delta) <= RUN and not TELLING.search(delta):
            self.at = self.spans.at = len(self.text)
            return []
        self.spans.read(self.text)
        return self._pieces(final=False)

    def flush(self) -> list[str]:
        """Return what is left, as the last clauses."""
        self.text += "".join(self.block)
        self.spans.read(self.text, final=True)
        pieces = self._pieces(final=True)
        rest = self.text[self.begin :]
        self.text, self.begin, self.at, self.passed = "", 0, 0, 0
        self.spans, self.block = MarkupSpans(), []
        self.made += bool(rest)
        return [*pieces, rest] if rest else pieces

    def _pieces(self, final: bool) -> list[str]:
        pieces = []
        while (end := self._end(final)) > self.begin:
            pieces.append(self.text[self.begin : end])
            self.made, self.begin, self.at, self.passed = self.made + 1, end, end, 0
            while self.spans.found and self.spans.found[0].end <= end:
                self.spans.found.popleft()
        if self.begin > DROPPED + BEHIND:
            self._drop(self.begin - BEHIND)
        return pieces

    def _drop(self, count: int) -> None:
        self.text = self.text[count:]
        self.begin, self.at = self.begin - count, self.at - count
        self.spans.forget(count)

    def _end(self, final: bool) -> int:
        """Where the clause ends, after its white space; ``WAIT`` if that is not yet known."""
        known, longest = self.spans.known, self.begin + LONGEST
        while True:
            mark = MARKS.search(self.text, self.at, min(known, longest + 1))
            at = mark.start() if mark else min(known, longest + 1)
            if self.spans.found and self._pass_span(at):
                continue
            self.at = at
            if mark is None or at > longest:
                break
            if not final and UNSURE.match(self.text, at):
                return WAIT
            if end := self._end_at(at, final):
                return end if self.begin < end <= known and end < len(self.text) else WAIT
            run = NEWLINES.match(self.text, at, longest + 1)
            self.at = run.end() if run else at + 1
        return self._cut(known) if len(self.text) > longest else WAIT

    def _pass_span(self, at: int) -> bool:
        """Go on behind the next span if it begins before *at*, or there."""
        found = self.spans.found
        if self.passed == len(found) or found[self.passed].begin > min(at, self.begin + LONGEST):
            return False
        span = found[self.passed]
        self.passed += 1
        if span.end > self.at:
            point = INNER_POINT.search(self.text, max(span.begin, span.end - RUN), span.end)
            self.at = point.start() if point and span.kind == "star" else span.end
        return True

    # -- where a speaker would pause ---------------------------------------------------------

    def _end_at(self, at: int, final: bool) -> int:
        """Where the clause ends if the mark at *at* ends it, else 0; or ``WAIT``."""
        if match := POINT.match(self.text, at):
            return self._after_point(match, final)
        if self.made >= len(COMMA_MIN) or not (match := COMMA.match(self.text, at)):
            return 0
        return self._after_comma(match, final)

    def _after_point(self, match: re.Match[str], final: bool) -> int:
        """Where the clause ends with the sentence, if that is one."""
        end = self._after_space(match.end())
        before = self.text[self.begin : match.start()]
        if match.end() - self.begin > LONGEST or not before.strip() or self._is_inside(end):
            return 0
        if end == len(self.text):
            return WAIT
        if not FULL_STOP.fullmatch(match[0]):
            return end
        is_end = ends_sentence(before, match[0] == ".", self.text, end, final)
        return end if is_end > 0 else is_end

    def _after_comma(self, match: re.Match[str], final: bool) -> int:
        """Where the clause ends that is long enough for one; a star must not lose what it is in."""
        end = self._after_space(match.end())
        so_far = self.text[self.begin : match.end()]
        if len(so_far.encode()) < COMMA_MIN[self.made] or self._is_inside(end):
            return 0
        if end == len(self.text) or (SPACED.match(self.text, end) and not final):
            return WAIT
        is_entity = match[0] == ";" and ENTITY.search(so_far[-12:])
        is_spaced = SPACED_ABBREVIATION.match(self.text, end)
        return 0 if is_entity or is_spaced or self.text[end] in "*_" else end

    def _after_space(self, end: int) -> int:
        space = SPACE.match(self.text, end)
        return space.end() if space else end

    def _is_inside(self, end: int) -> bool:
        """Return whether a clause that ended there would cut a span in two."""
        for span in self.spans.found:
            if span.begin >= end:
                break
            if end < span.end:
                return True
        return False

    # -- where there is no pause -------------------------------------------------------------

    def _cut(self, known: int) -> int:
        """Cut a clause that is too long: at a space, else between letters, never in a span."""
        first = self.begin + 1
        end = self.text.rfind(" ", first, self.begin + LONGEST) + 1 or self.begin + LONGEST
        for span in self.spans.found:
            if span.begin < end < span.end:
                space = self.text.rfind(" ", first, span.begin) + 1
                end = space or (span.begin if span.begin > self.begin else span.end)
                break
        for _ in range(JOINTS):
            if end >= len(self.text) or not self._is_joined(end):
                break
            end += 1
        if end > known:
            return WAIT
        end = self._after_space(end)
        return end if end < len(self.text) else WAIT

    def _is_joined(self, at: int) -> bool:
        return bool(JOINED.match(self.text, at)) or self.text[at - 1] == "\u200d"
