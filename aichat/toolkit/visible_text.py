"""What is shown of a model's text, and what is withdrawn because it turns out to be thoughts.

Some models write their thoughts without a tag in front, and only the closing tag tells. What was
shown until then is withdrawn. To spare that, text is held back once its first words are those of
thoughts, and, of a model that has done so before, until its closing tag has come.
"""

from __future__ import annotations

import re

from attrs import define, field, frozen

from aichat.core.tools import ToolCall

LONGEST_OPENING = 120
LONGEST_WITHHELD = 100_000
"""Letters of text that may be thoughts; when there are more, they are shown."""
THINKS_ALOUD = re.compile(
    r"(?:(?:okay|ok|alright|all right|hm+|well|so|now|first|wait|let's see)[,.:]?\s+)*"
    r"(?:the user(?:'s)?\b|user (?:says|asks|wants|is)\b|we need to (?:respond|reply|answer)\b)",
    re.IGNORECASE,
)
"""In a reply the user is "you": only who thinks aloud speaks of "the user"."""
FENCE = 3
"""Backticks around a block of code."""
OPENING_QUOTES = "\"'“‘„«(["
RUNS = re.compile(r"`+|[^`]+")


@frozen
class Withdrawn:
    """All text before it was no part of the reply."""


WITHDRAWN = Withdrawn()


@define
class Code:
    """Follows where code begins and ends in Markdown: blocks, and code within a line."""

    ticks: int = 0
    """Backticks at the end of what was read."""
    in_block: bool = False
    in_line: bool = False

    def follow(self, text: str) -> None:
        """Read on."""
        if not (self.ticks or self.in_line or "`" in text):
            return
        for run in RUNS.findall(text):
            if run[0] == "`":
                self.ticks += len(run)
            else:
                self.settle()
                self.in_line = self.in_line and "\n" not in run

    def settle(self) -> bool:
        """Tell whether what follows is code, if it is no backtick."""
        ticks, self.ticks = self.ticks, 0
        if ticks >= FENCE:
            self.in_block, self.in_line = not self.in_block, False
        elif ticks and not self.in_block:
            self.in_line = not self.in_line
        return self.in_block or self.in_line


@define
class Shown:
    """Collects what is to be shown; if it *waits*, once it is known to be no thought."""

    waits: bool = False
    has_any: bool = False
    at_line_start: bool = True
    thought_aloud: bool = False
    """Thoughts came without a tag in front."""
    waited_in_vain: bool = False
    """All was held back, and none of it was thoughts."""
    texts: list[str] = field(factory=list)
    out: list[str | ToolCall | Withdrawn] = field(factory=list)
    was_taken: bool = False
    """Some text is out already."""
    last: str = ""
    last_seen: str = ""
    """The last letter that is no white space."""
    has_gap: bool = False
    """Something was left out here."""
    fence: int = 0
    """Backticks to leave out that end a block around a call."""
    code: Code = field(factory=Code)
    opening: str | None = ""
    """The first words, while they may tell that they are thoughts."""
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
        """What follows is code, if it is no backtick."""
        return self.code.settle()

    def add(self, text: str) -> None:
        """Show *text*, without white space in front of the reply."""
        text = self._joined(text)
        if not text:
            return
        self.has_any, self.last = True, text[-1]
        self.last_seen = text.rstrip()[-1:] or self.last_seen
        self.code.follow(text)
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
        """Pass calls on."""
        self._put()
        self.out += calls

    def withdraw(self) -> None:
        """Take back all text so far: it was thoughts."""
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
        """Show what was held back: the reply is over, and it was no thought."""
        self.waited_in_vain = self.waits and self.withheld is not None
        self.texts += self.withheld or ()
        self.opening = self.withheld = None

    def taken(self) -> list[str | ToolCall | Withdrawn]:
        """Hand over what is certain."""
        self._put()
        out, self.out = self.out, []
        self.was_taken = self.was_taken or any(isinstance(piece, str) for piece in out)
        return out

    def _put(self) -> None:
        if self.texts:
            self.out.append("".join(self.texts))
            self.texts = []

    # -- thoughts without a tag --------------------------------------------------------------

    def _begin(self, text: str) -> None:
        """Show the first words, up to those that tell that they are thoughts."""
        self.opening = f"{self.opening}{text[:LONGEST_OPENING]}"
        if THINKS_ALOUD.match(self.opening):
            self.opening, self.withheld = None, []
            self._withhold(text)
        else:
            self.opening = self.opening if len(self.opening) < LONGEST_OPENING else None
            self.texts.append(text)

    def _withhold(self, text: str) -> None:
        assert self.withheld is not None  # noqa: S101  (it is asked before)
        self.withheld.append(text)
        self.size += len(text)
        if self.size > LONGEST_WITHHELD:
            self.texts += self.withheld
            self.withheld = None
