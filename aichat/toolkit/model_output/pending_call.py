"""A tool call that a model is still writing into its text, and where it ends."""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

LONGEST_CALL: Final = 100_000
"""Most letters of a call; a longer one is dropped."""
ESCAPED = re.compile(r"(?s).")
INSIDE = {
    "": re.compile(r"[\"'{}\[\]()]"),
    '"': re.compile(r'["\\]'),
    "'": re.compile(r"['\\]"),
}


@define
class Balance:
    """Finds where a value in JSON or Python ends, however it is cut; each letter is read once."""

    depth: int = 0
    quote: str = ""
    """The mark that ends the current string; empty outside."""
    is_escaped: bool = False

    def end(self, text: str, at: int) -> int:
        """Return the end of the value in *text*, from *at* on; -1 if it continues."""
        while mark := (ESCAPED if self.is_escaped else INSIDE[self.quote]).search(text, at):
            at = mark.end()
            if self.is_escaped:
                self.is_escaped = False
            elif mark[0] == "\\":
                self.is_escaped = True
            elif mark[0] in "\"'":
                self.quote = "" if self.quote else mark[0]
            else:
                self.depth += 1 if mark[0] in "{[(" else -1
                if self.depth <= 0:
                    return at
        return -1


@define
class Pending:
    """A call that is being written; *name* is set if it came before the arguments."""

    kind: str
    name: str = ""
    pieces: list[str] = field(factory=list)
    size: int = 0
    first: str = ""
    """The first letter of a value."""
    is_thought: bool = False
    """It is no call but a block of thoughts."""
    balance: Balance = field(factory=Balance)
    is_closed: bool = False
    """Its brackets are; whether it is a call is seen by what follows."""

    def add(self, text: str) -> None:
        """Append text."""
        self.size += len(text)
        if self.size <= LONGEST_CALL:
            self.pieces.append(text)

    @property
    def words(self) -> str:
        """What was written; empty if it is too long."""
        return "".join(self.pieces) if self.size <= LONGEST_CALL else ""

    @property
    def text(self) -> str:
        """The whole call: its name, if that came before, and what was written."""
        return f"{self.name}\n{self.words}" if self.name else self.words

    def end(self, text: str, at: int) -> int:
        """Return where a call without tags ends in *text*; -1 if it goes on."""
        if self.kind == "whole":
            return text.find("<", at)
        if self.kind == "value":
            self.first = self.first or text[at:].lstrip(" \t*")[:1]
            if self.first not in ("{", "[", "`"):
                return text.find("\n", at)
        return self.balance.end(text, at)
