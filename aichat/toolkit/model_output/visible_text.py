"""The visible part of a model's text, which is withdrawn if it turns out to be reasoning.

Some models write their reasoning without an opening tag, so that only the closing tag reveals it.
Text shown until then is withdrawn. To avoid that, text is withheld if its first words are typical
of reasoning, and, for a model that has done so before, until its closing tag.
"""

from __future__ import annotations

import re

from attrs import define, field, frozen

from aichat.core.tools import ToolCall

LONGEST_OPENING = 120
"""Letters at the beginning that are checked for words typical of reasoning."""
LONGEST_WITHHELD = 100_000
"""Most letters that are withheld; when there are more, they are shown."""
THINKS_ALOUD = re.compile(
    r"(?:(?:okay|ok|alright|all right|hm+|well|so|now|first|wait|let's see)[,.:]?\s+)*"
    r"(?:the user(?:'s)?\b|user (?:says|asks|wants|is)\b|we need to (?:respond|reply|answer)\b)",
    re.IGNORECASE,
)
"""In a reply the user is "you": "the user" is typical of reasoning."""
OTHER_WORD = re.compile(
    r"(?!(?:okay|ok|alright|all|hm+|well|so|now|first|wait|let's|the|user|we)\b)\S+[\s,.:;!?]",
    re.IGNORECASE,
)
"""A first word after which no such words can follow."""
FENCE = 3
"""Backticks around a block of code."""
OPENING_QUOTES = "\"'“‘„«(["
RUNS = re.compile(r"`+|[^`]+")


@frozen
class Withdrawn:
    """All earlier text was no part of the reply."""


WITHDRAWN = Withdrawn()


@define
class Code:
    """Tracks code in Markdown: code blocks, and code within a line."""

    ticks: int = 0
    """Backticks at the end of the text so far."""
    in_block: bool = False
    in_line: bool = False

    def follow(self, text: str) -> None:
        """Read more text."""
        for run in RUNS.findall(text):
            if run[0] == "`":
                self.ticks += len(run)
            else:
                self.settle()
                self.in_line = self.in_line and "\n" not in run

    def settle(self) -> bool:
        """Return whether what follows is code, unless it is a backtick."""
        ticks, self.ticks = self.ticks, 0
        if ticks >= FENCE:
            self.in_block, self.in_line = not self.in_block, False
        elif ticks and not self.in_block:
            self.in_line = not self.in_line
        return self.in_block or self.in_line


@define
class Shown:
    """Collects the visible text; if it *waits*, withholds all until it proves to be a reply."""

    waits: bool = False
    has_any: bool = False
    at_line_start: bool = True
    thought_aloud: bool = False
    """There was reasoning without an opening tag."""
    waited_in_vain: bool = False
    """All text was withheld, and none of it was reasoning."""
    texts: list[str] = field(factory=list)
    out: list[str | ToolCall | Withdrawn] = field(factory=list)
    was_taken: bool = False
    """Some text has been emitted already."""
    last: str = ""
    last_seen: str = ""
    """The last letter that is no white space."""
    has_gap: bool = False
    """Something was dropped here."""
    fence: int = 0
    """Backticks to drop: the end of a code block around a call."""
    code: Code = field(factory=Code)
    opening: str | None = ""
    """The first words, while they may still prove to be reasoning."""
    withheld: list[str] | None = None
    size: int = 0

    def __attrs_post_init__(self) -> None:
        if self.waits:
            self.opening, self.withheld = None, []

    @property
    def is_mid_sentence(self) -> bool:
        """What follows stands behind a word of its line, or behind a quotation mark."""
        if self.at_line_start or not self.has_any:
            return False
        if self.last.isspace():
            return self.last_seen.isalnum() or self.last_seen in ",;"
        return self.last in OPENING_QUOTES

    @property
    def in_code(self) -> bool:
        """Whether what follows is code, unless it is a backtick."""
        return self.code.settle()

    def add(self, text: str) -> None:
        """Add *text*, without white space at the beginning of the reply."""
        if self.has_gap or self.fence or not self.has_any:
            text = self._joined(text)
        if not text:
            return
        self.has_any, self.last = True, text[-1]
        self.last_seen = text.rstrip()[-1:] or self.last_seen
        if self.code.ticks or self.code.in_line or "`" in text:
            self.code.follow(text)
        if self.at_line_start or "\n" in text:
            line = text.rpartition("\n")
            self.at_line_start = not line[2].strip() and (bool(line[1]) or self.at_line_start)
        if self.opening is not None:
            self._begin(text)
        elif self.withheld is not None:
            self._withhold(text)
        else:
            self.texts.append(text)

    def _joined(self, text: str) -> str:
        if self.fence == FENCE:
            text = text.lstrip()
        if self.fence and text:
            rest = text[: self.fence].lstrip("`") + text[self.fence :]
            self.fence = 0 if rest else self.fence - len(text)
            text = rest
        if not self.has_any:
            self.has_gap = False
            return text.lstrip()
        if self.has_gap and text:
            self.has_gap = False
            return f" {text}" if text[0].isalnum() and not self.last.isspace() else text
        return text

    def call(self, calls: list[ToolCall]) -> None:
        """Emit calls."""
        self._put()
        self.out += calls

    def withdraw(self) -> None:
        """Withdraw all text so far: it was reasoning."""
        if not self.has_any:
            return
        self.thought_aloud = True
        self.texts, self.opening, self.withheld = [], None, None
        self.out = [piece for piece in self.out if not isinstance(piece, str)]
        if self.was_taken:
            self.out.append(WITHDRAWN)
        self.has_any, self.was_taken, self.at_line_start = False, False, True
        self.code = Code()

    def settle(self) -> None:
        """Show the withheld text: the reply is over, and it was no reasoning."""
        self.waited_in_vain = self.waits and self.withheld is not None
        self.texts += self.withheld or ()
        self.opening = self.withheld = None

    def taken(self) -> list[str | ToolCall | Withdrawn]:
        """Return what is certain so far."""
        self._put()
        out, self.out = self.out, []
        if not self.was_taken:
            self.was_taken = any(isinstance(piece, str) for piece in out)
        return out

    def _put(self) -> None:
        if self.texts:
            self.out.append("".join(self.texts))
            self.texts = []

    # -- reasoning without a tag -------------------------------------------------------------

    def _begin(self, text: str) -> None:
        """Show the first words, unless they are typical of reasoning."""
        self.opening = f"{self.opening}{text[:LONGEST_OPENING]}"
        if THINKS_ALOUD.match(self.opening):
            self.opening, self.withheld = None, []
            self._withhold(text)
        else:
            if len(self.opening) >= LONGEST_OPENING or OTHER_WORD.match(self.opening):
                self.opening = None
            self.texts.append(text)

    def _withhold(self, text: str) -> None:
        assert self.withheld is not None  # noqa: S101  (it is asked before)
        self.withheld.append(text)
        self.size += len(text)
        if self.size > LONGEST_WITHHELD:
            self.texts += self.withheld
            self.withheld = None
