"""What in a text belongs together, because it is read out otherwise than it stands, or not at all.

Code, links, tags, formulas, **bold** and *actions*: a clause that ended in the middle of one could
no longer be recognised. The text is read once, from left to right, as it grows: what is
found is kept, and so is what may still become something. Short spans are looked for within a
window, stars are matched on a stack, a block of code is searched for its end alone; so the work for
each letter has a bound, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from typing import Literal

from attrs import define, field, frozen

from .direction_words import may_begin_direction

LONGEST = 400
"""Characters beyond which a short span is none, but a stray mark;"""
LONGEST_LINK = 1_000
"""beyond which a link, a formula on lines of its own or a comment is none;"""
LONGEST_ASIDE = 160
"""beyond which what stands in brackets is no stage direction;"""
LONGEST_WORD = 32
"""Letters up to the end of its first word;"""
LONGEST_ACTION = 20_000
"""and an action, which may go on over paragraphs. Blocks of code end with the reply."""
RUN = 16
"""Marks of one kind that are looked at together."""
LOOK_BACK = 64
"""White space across which one sees how the text before a star ends."""
RECENT = 64
"""Letters that hold the end of a block of code, with its indentation."""
UNKNOWN = -1

Kind = Literal["block", "code", "link", "tag", "comment", "math", "star", "aside"]
TOKEN = re.compile(
    rf"`{{1,{RUN}}}+|~{{1,{RUN}}}+|\*{{1,{RUN}}}+|_{{1,{RUN}}}+|\${{1,2}}+|[\[(（]|<|\\[^\n]?|\n++"
)

CODE = re.compile(r"`[^`\n]++`(?=[^`])")
NO_CODE = re.compile(r"`[^`\n]*+(?:\n|``)")
CODES = re.compile(r"``[^\n]*?[^`\n]``(?=[^`])")
NO_CODES = re.compile(r"``[^\n]*+\n")
LABEL = (
    rf"\[(?=[^\]\n]{{0,{LONGEST - 1}}}\])" r"(?:[^\[\]\n]|\[[^\[\]\n]*+\](?:\([^()\n]*+\))?)*+\]"
)
LINK = re.compile(
    rf"\[\^[^\]\s]++\]:?|{LABEL}(?:\((?:[^()\n]|\([^()\n]*+\))*+\)|\[[^\[\]\n]*+\]|\{{\.[a-z]+\}})"
)
NO_LINK = re.compile(rf"{LABEL}[^(\[{{]|\[[^\n]*+\n|\[[^\]\n]{{{LONGEST}}}")
TAG = re.compile(r"<[a-zA-Z/!?|][^<>\n]*+>")
NO_TAG = re.compile(r"<(?:[^a-zA-Z/!?|]|[^<>\n]*+[<\n])")
ASIDE = re.compile(r"[(（][^()（）\n]*+[)）]|\[[^\[\]\n]*+\]")
NO_ASIDE = re.compile(r"[(（][^()（）\n]*+[(（\n]|\[[^\[\]\n]*+[\[\n]")
FIRST_WORD = re.compile(r"[(（\[][\s*_\"“]*+([^\W\d_]++)(?=.|\n)")
"""The first word in brackets, once it is complete;"""
BEGUN_WORD = re.compile(r"[(（\[][\s*_\"“]*+[^\W\d_]*+")
"""as long as it is not."""
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
PRICE = r"\d[\d.,]*+(?:bn|[kKmMbB])?[\s;:!?)\]'\"–-]"
MATH = re.compile(rf"\$(?!\s|{PRICE})[^$\n]*+(?<=[^\s\\$])\$(?=[^\d$])")
NO_MATH = re.compile(rf"\$(?:\s|{PRICE}|[^$\n]*?[.!?]\s|[^$\n]*+(?:\n|(?<=\s)\$|\$[\d$]))")
DISPLAY = re.compile(r"\$\$[^$]++\$\$")
BLANK_LINE = re.compile(r"\${3}|[^\n]*+(?:\n(?![ \t]*+\n)[^\n]*+)*+\n[ \t]*+\n")
IN_PARENS = re.compile(r"\\\((?:[^\\\n]|\\[^)\n])*+\\\)")
IN_BRACKETS = re.compile(r"\\\[(?:[^\\]|\\[^\]])*+\\\]")
LINE = re.compile(r"[^\n]*+\n")
NEVER = re.compile(r"(?!)")

Rule = tuple[re.Pattern[str], re.Pattern[str], int, Kind]
RULES: dict[str, Rule] = {
    "`": (CODE, NO_CODE, LONGEST, "code"),
    "``": (CODES, NO_CODES, LONGEST, "code"),
    "[": (LINK, NO_LINK, LONGEST_LINK, "link"),
    "<": (TAG, NO_TAG, LONGEST, "tag"),
    "<!--": (COMMENT, NEVER, LONGEST_LINK, "comment"),
    "$": (MATH, NO_MATH, LONGEST // 2, "math"),
    "$$": (DISPLAY, BLANK_LINE, LONGEST_LINK, "math"),
    r"\(": (IN_PARENS, LINE, LONGEST, "math"),
    r"\[": (IN_BRACKETS, BLANK_LINE, LONGEST_LINK, "math"),
}
"""By the mark with which it begins: what is one, what can be none any more, and how long it may be.

All of it is looked for in the text up to that length, so that it does not matter in which pieces
the text came."""

SENTENCE_ENDS = ".!?…:\"”»’')]*_。！？」』）—"
"""What stands before a passage that begins a sentence of its own."""


@frozen
class MarkupSpan:
    """Characters ``begin:end`` of a text. A *star* is emphasis of any kind, or an action."""

    begin: int
    end: int
    kind: Kind


@frozen
class Opener:
    """A mark of emphasis that is not closed yet: where it is, and where its line begins."""

    begin: int
    line: int
    may_be_action: bool


def _is_word(character: str) -> bool:
    """Recognise letters and digits of scripts that put spaces between words."""
    return character.isalnum() and character < "\u2e80"


def begins_sentence(before: str) -> bool:
    """Return whether a sentence begins behind *before*, the end of what precedes."""
    before = before[-LOOK_BACK:]
    words = before.rstrip()
    space = before[len(words) :]
    if not words or "\n" in space:
        return True
    if not space:
        return words[-1] in ".!?…*_"
    return words[-1] in SENTENCE_ENDS or unicodedata.category(words[-1]) == "So"


@define
class MarkupSpans:
    """Finds the spans of a text that grows at its end."""

    found: deque[MarkupSpan] = field(factory=deque)
    """Those that are complete, and in no other."""
    at: int = 0
    """The text has been read up to here;"""
    line: int = 0
    """its last line begins here."""
    openers: dict[str, deque[Opener]] = field(factory=dict)
    fence: str = ""
    """What closes the block of code that begins at *at*; empty when none does."""
    _seen: int = 0
    _recent: str = ""

    def read(self, text: str, final: bool = False) -> None:
        """Read what is new in *text*; if it is *final*, nothing follows."""
        source = text + "\n" if final else text
        while token := TOKEN.search(source, self.at):
            self.at = token.start()
            end = self._token(source, token)
            if end == UNKNOWN and not final:
                return
            if end == UNKNOWN and self.fence:
                self._keep(self.at, len(text), "block")
                end = len(text)
            self.at = token.end() if end == UNKNOWN else end
        self.at = len(text)
        if final:
            self.openers.clear()

    @property
    def known(self) -> int:
        """Up to here it is certain what is a span and what is not."""
        known = self.at
        for openers in self.openers.values():
            while openers and not self._is_live(openers[0]):
                openers.popleft()
            if openers:
                known = min(known, openers[0].begin)
        return known

    def forget(self, count: int) -> None:
        """Follow a text that has lost its first *count* characters, which hold nothing open."""
        self.at -= count
        self.line -= count
        self._seen -= count
        self.found = deque(MarkupSpan(w.begin - count, w.end - count, w.kind) for w in self.found)
        for mark, openers in self.openers.items():
            moved = (Opener(o.begin - count, o.line - count, o.may_be_action) for o in openers)
            self.openers[mark] = deque(moved)

    def _keep(self, begin: int, end: int, kind: Kind) -> int:
        """Keep a span, in place of those within it; return its end."""
        while self.found and self.found[-1].begin > begin:
            self.found.pop()
        self.found.append(MarkupSpan(begin, end, kind))
        return end

    def _token(self, text: str, token: re.Match[str]) -> int:
        """Return where to read on; ``UNKNOWN`` while that depends on what follows."""
        mark, at, end = token[0], token.start(), token.end()
        if mark[0] == "\n":
            self.line = end
            return end
        if end == len(text) and mark[0] not in "[<(（":
            return UNKNOWN
        if mark[0] in "*_":
            return self._star(text, at, end)
        if mark in "(（":
            return self._aside(text, at)
        if mark[0] in "`~" and len(mark) > 2:
            return self._block(text, at, mark)
        return self._short(text, at, mark)

    # -- within a window ---------------------------------------------------------------------

    def _short(self, text: str, at: int, mark: str) -> int:
        if mark == "<" and "<!--".startswith(text[at : at + 4]):
            if len(text) < at + 4:
                return UNKNOWN
            mark = "<!--"
        behind = at + len(mark)
        if mark not in RULES or (mark == "$" and at and text[at - 1].isalnum()):
            return behind
        is_one, is_none, longest, kind = RULES[mark]
        window = at + longest + 1
        match, other = is_one.match(text, at, window), is_none.match(text, at, window)
        if match and not (other and other.end() < match.end()):  # what comes first in a stream
            return self._keep(at, match.end(), kind)
        if not (other or len(text) > at + longest):
            return UNKNOWN
        return self._aside(text, at) if mark == "[" else behind

    def _aside(self, text: str, at: int) -> int:
        """Keep what stands in brackets if it may be a stage direction, by its first word."""
        behind, window = at + 1, at + LONGEST_ASIDE + 1
        if text[at] != "（" and at and _is_word(text[at - 1]):
            return behind  # f(x)
        word = FIRST_WORD.match(text, at, at + LONGEST_WORD)
        if word is None:
            is_begun = len(text) < at + LONGEST_WORD and BEGUN_WORD.fullmatch(text, at)
            return UNKNOWN if is_begun else behind
        if not may_begin_direction(word[1]):
            return behind
        if match := ASIDE.match(text, at, window):
            return self._keep(at, match.end(), "aside")
        is_none = NO_ASIDE.match(text, at, window) or len(text) > at + LONGEST_ASIDE
        return behind if is_none else UNKNOWN

    # -- blocks of code ----------------------------------------------------------------------

    def _block(self, text: str, at: int, mark: str) -> int:
        """Look for the end of the block that begins at *at*; only what is new is searched."""
        if mark[0] == "~" and text[self.line : at][-LOOK_BACK:].strip():
            return at + len(mark)
        if not self.fence:
            self.fence, self._seen = mark, at + len(mark)
        if close := _closing(self.fence).search(text, self._seen):
            self.fence = ""
            return self._keep(at, close.end(), "block")
        self._seen = max(self._seen, len(text) - RECENT)
        self._recent = text[self._seen :]
        return UNKNOWN

    def closes(self, delta: str) -> bool:
        """Return whether *delta* closes the code block, which is not read again for that."""
        recent = self._recent + delta
        self._recent = recent[-RECENT:]
        return _closing(self.fence).search(recent) is not None

    # -- stars -------------------------------------------------------------------------------

    def _star(self, text: str, at: int, end: int) -> int:
        """Match emphasis as CommonMark does, but across paragraphs where it may be an action."""
        before, after = text[at - 1] if at else "\n", text[end]
        mark = text[at:end]
        if len(mark) > 3:
            return end
        if not before.isspace() and not _is_word(after) and (begin := self._opened(mark)) >= 0:
            return self._keep(begin, end, "star")
        if not after.isspace() and not _is_word(before):
            self._open(text, at, mark)
        return end

    def _open(self, text: str, at: int, mark: str) -> None:
        openers = self.openers.setdefault(mark, deque())
        if at == self.line:
            openers.clear()  # nobody begins an action on a new line within another
        elif openers and not openers[-1].may_be_action:
            openers.pop()
        may_be_action = len(mark) == 1 and begins_sentence(text[max(0, at - LOOK_BACK - 1) : at])
        openers.append(Opener(at, self.line, may_be_action))

    def _opened(self, mark: str) -> int:
        """Return where the mark that is closed now was opened, -1 if nowhere."""
        begin = self._last(mark)
        if begin < 0 and len(mark) == 3:  # **bold and *both***
            both = self._last(mark[0]), self._last(mark[:2])
            begin = min(both)
        if begin >= 0:
            for openers in self.openers.values():
                while openers and openers[-1].begin >= begin:
                    openers.pop()
        return begin

    def _last(self, mark: str) -> int:
        openers = self.openers.get(mark) or deque()
        while openers and not self._is_live(openers[-1]):
            openers.pop()
        return openers[-1].begin if openers else -1

    def _is_live(self, opener: Opener) -> bool:
        if opener.may_be_action:
            return self.at - opener.begin <= LONGEST_ACTION
        return opener.line == self.line and self.at - opener.begin <= LONGEST


def _closing(fence: str) -> re.Pattern[str]:
    """Return what closes a block of code: as many marks, behind which its line says no more."""
    mark, count = fence[0], len(fence)
    indent = r"\n[ \t]{0,12}" if mark == "~" else ""
    return re.compile(rf"{indent}{mark}{{{count}}}(?=[^\w{mark}])")
