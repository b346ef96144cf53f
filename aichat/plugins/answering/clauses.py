"""Cutting a stream of text into clauses to be spoken, the first one as short as sounds natural.

The pieces joined equal the text, however the stream was chunked: a piece ends only where what
follows is known. What is not read out as it stands (``wholes``) is never cut.
"""

from __future__ import annotations

import re

from attrs import define, field

from .wholes import OPENERS, UNKNOWN, whole_at

COMMA_MIN = (12, 40, 90)
"""The first clauses may end at a comma once they have so many bytes: speech begins early, and each
clause lasts while the next is written and spoken. Bytes, because a Chinese letter says as much as
three of ours. Later clauses are sentences."""
LONGEST = 220
"""A clause without any punctuation is cut at a space once it has so many characters."""

EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
CLOSERS = "[\"'”’“»›)\\]*_]*"
WIDE_CLOSERS = "[」』”’）》】]*"
POINT = re.compile(
    rf"[.!?…؟۔।॥։።]+{CLOSERS}(?=[\s{EMOJI}])|[。！？។။]+{WIDE_CLOSERS}(?=.|\n)|\n+(?=[^\n])"
)
COMMA = re.compile(
    rf"[,;:،؛]{CLOSERS}(?=\s)|(?:[–—]|(?<=\s)-)(?=\s)|[，；：、]{WIDE_CLOSERS}(?=.|\n)"
)
INNER_POINT = re.compile(r"[.!?…]+[*_]+\Z")
"""A sentence that ends within its marks: **Yes.**"""
UNSURE = re.compile(
    rf"(?:[.!?…؟۔।॥։።,;:،؛]+{CLOSERS}|[。！？។။，；：、]+{WIDE_CLOSERS}|[-–—]|\n+)\Z"
)
"""A mark at the end of what is known."""
MARKS = re.compile(rf"[{re.escape(OPENERS)}.!?…؟۔।॥։።。！？។။\n,;:،؛，；：、–—-]")

NEVER_LAST = {
    *("mr", "mrs", "ms", "mx", "dr", "prof", "rev", "st", "mt", "capt", "lt", "col", "gen", "sgt"),
    *("sen", "rep", "gov", "hon", "mme", "mlle", "sra", "dra", "fr", "hr"),
    *("vs", "cf", "approx", "ca", "bzw", "evtl"),
}
"""Abbreviations that no sentence ends with,"""
RARELY_LAST = frozenset(["etc", "jr", "sr", "inc", "ltd", "co", "corp", "usw", "a.m", "p.m"])
"""those that do end one if a capital follows,"""
BEFORE_NUMBER = frozenset(["no", "nos", "nr", "vol", "fig", "p", "pp", "ch", "art", "sec", "v"])
"""and those that are abbreviations only in front of a number."""
LIST_NUMBER = re.compile(r"(?:\A|\n)\s*\d{1,3}\Z")
DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
JOINED = re.compile(
    "[\u0300-\u036f\u200d\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""What belongs to the letter or emoji before it."""


@define
class Clauses:
    """Takes text as it streams in; gives back the clauses that are complete."""

    text: str = ""
    made: int = 0
    at: int = 0
    """Up to here no clause ends, whatever follows."""
    wholes: list[tuple[int, int]] = field(factory=list)
    """Where something is that must not be cut."""

    def feed(self, delta: str) -> list[str]:
        """Add *delta*; return the clauses that are complete now."""
        self.text += delta
        return self._pieces(final=False)

    def flush(self) -> list[str]:
        """Return what is left, as the last clauses."""
        pieces = self._pieces(final=True)
        rest, self.text, self.at, self.wholes = self.text, "", 0, []
        self.made += bool(rest)
        return [*pieces, rest] if rest else pieces

    def _pieces(self, final: bool) -> list[str]:
        pieces = []
        while end := self._end(final):
            pieces.append(self.text[:end])
            self.text = self.text[end:]
            self.made, self.at, self.wholes = self.made + 1, 0, []
        return pieces

    def _end(self, final: bool) -> int:
        """Where the first clause ends, after its white space; 0 if that is not yet known."""
        text = self.text
        while mark := MARKS.search(text, self.at):
            if mark.start() > LONGEST:
                break
            self.at = mark.start()
            if mark[0] in OPENERS:
                if not self._pass_whole(final):
                    return 0
            elif UNSURE.match(text, self.at):
                return 0
            elif end := self._end_at(self.at):
                return end if end < len(text) else 0
            else:
                self.at += 1
        if mark is None:
            self.at = len(text)
        return self._cut() if len(text) > LONGEST else 0

    def _pass_whole(self, final: bool) -> bool:
        """Go on behind the whole that begins here; False while its end is not known."""
        begin, end = self.at, whole_at(self.text, self.at, final)
        if end == UNKNOWN:
            return False
        self.at = begin + 1
        if end > begin:
            self.wholes.append((begin, end))
            point = INNER_POINT.search(self.text, begin, end)
            self.at = point.start() if point else end
        return True

    # -- where a speaker would pause ---------------------------------------------------------

    def _end_at(self, at: int) -> int:
        """Where the clause ends if the mark at *at* ends it, else 0."""
        if match := POINT.match(self.text, at):
            end = self._after_space(match.end())
            return end if end == len(self.text) or self._is_point(match, end) else 0
        if self.made >= len(COMMA_MIN) or not (match := COMMA.match(self.text, at)):
            return 0
        is_enough = len(self.text[: match.end()].encode()) >= COMMA_MIN[self.made]
        return self._after_space(match.end()) if is_enough else 0

    def _is_point(self, match: re.Match[str], end: int) -> bool:
        before = self.text[: match.start()]
        if match.end() > LONGEST or not before.strip():
            return False
        return match[0] != "." or not self._is_abbreviation(before, self.text[end : end + 1])

    def _is_abbreviation(self, before: str, follows: str) -> bool:
        word = re.split(r"[\s(\"“'-]", before)[-1]
        said = word.casefold()
        if said in RARELY_LAST:
            return not follows.isupper()
        if said in BEFORE_NUMBER:
            return follows.isdecimal()
        is_initial = len(word) == 1 and word.isupper() and word != "I"
        is_list = LIST_NUMBER.search(before) is not None
        return is_initial or is_list or said in NEVER_LAST or bool(DOTTED.fullmatch(word))

    def _after_space(self, end: int) -> int:
        while end < len(self.text) and self.text[end].isspace():
            end += 1
        return end

    # -- where there is no pause -------------------------------------------------------------

    def _cut(self) -> int:
        """Cut a clause that is too long: at a space, else between letters, never in a whole."""
        end = self.text.rfind(" ", 1, LONGEST) + 1 or LONGEST
        for begin, whole_end in reversed(self.wholes):
            if begin < end < whole_end:
                end = self.text.rfind(" ", 0, begin) + 1 or begin or whole_end
        while 0 < end < len(self.text) and self._is_joined(end):
            end += 1
        end = self._after_space(end)
        return end if end < len(self.text) else 0

    def _is_joined(self, at: int) -> bool:
        return bool(JOINED.match(self.text, at)) or self.text[at - 1] == "\u200d"
