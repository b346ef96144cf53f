"""Filters a model's text to its reply: no reasoning, no template tokens, no other speaker's turn.

Text streams in, cut anywhere; the beginning of a possible token is buffered, never more than a few
letters, and each letter is read once. Within code (between backticks) everything is literal.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from attrs import define, field

from aichat.core.tools import ToolCall

from .template_tokens import (
    BARE,
    BARE_ANSWER,
    BARE_THOUGHTS,
    CALL_BEGINS,
    CALL_BEGUN,
    FENCED,
    GLUED,
    LONGEST_BEGINNING,
    MAYBE_NAMED,
    NAMED,
    OWN_ROLES,
    PYTHON,
    TOKEN,
    TRIGGER,
    Mark,
    mark_of,
    may_begin,
)
from .tool_calls_in_text import Balance, calls_in, is_call
from .visible_text import FENCE, Shown, Withdrawn

LONGEST_CALL: Final = 100_000
"""Most letters of a call; a longer one is dropped."""
LONGEST_JSON: Final = 20_000
"""Most letters of bare JSON that may be a call; longer JSON is text."""
LONGEST_HEADER: Final = 200
DEEPEST: Final = 16
"""Most nested tags around hidden text; deeper ones are ignored."""
SHOWN_CHANNELS = ("final", "commentary", "answer", "response")
RECIPIENT = re.compile(r"\bto=(?:functions\.)?([\w-]{1,64})")
OPENING_FENCE = re.compile(r"\s*```\w*\s*")
CALL_KEYS = re.compile(r"\"(?:arguments|parameters)\"")


@define
class Pending:
    """A call that is being written; *name* is set if it came before the arguments."""

    kind: str
    name: str = ""
    pieces: list[str] = field(factory=list)
    size: int = 0

    def add(self, text: str) -> None:
        """Append text."""
        self.size += len(text)
        if self.size <= LONGEST_CALL:
            self.pieces.append(text)

    @property
    def text(self) -> str:
        """The whole call; empty if it is too long."""
        whole = "".join(self.pieces) if self.size <= LONGEST_CALL else ""
        return f"{self.name}\n{whole}" if self.name else whole


@define
class ReplyFilter:
    """Filters one reply of the character *name*, whose prompt offered the tools *offered*.

    *waits*: text is withheld until it is known not to be reasoning.
    """

    name: str = ""
    offered: Collection[str] = ()
    waits: bool = False
    is_over: bool = False
    """Another speaker's turn began: nothing that follows is part of the reply."""
    shown: Shown = field(init=False)
    held: str = ""
    hidden: list[Mark] = field(factory=list)
    """Open tags that hide the current text, the innermost last."""
    call: Pending | None = None
    json: Pending | None = None
    balance: Balance = field(factory=Balance)
    header: str | None = None
    header_kind: str = ""
    recipient: str = ""
    """The tool that the turn is addressed to."""
    is_between: bool = False
    """A turn has ended, and no other one has begun."""
    is_struck: bool = False
    is_wrapped: bool = False
    """The whole reply stands between tags."""
    has_begun: bool = False

    def __attrs_post_init__(self) -> None:
        self.shown = Shown(self.waits)

    def feed(self, text: str) -> list[str | ToolCall | Withdrawn]:
        """Return what is certain so far: text, calls, or the withdrawal of earlier text."""
        if not self.is_over:
            text, self.held = self.held + text, ""
            self._read(text)
        return self.shown.taken()

    def flush(self) -> list[str | ToolCall | Withdrawn]:
        """Return the buffered rest, at the end of the stream."""
        held, self.held = self.held, ""
        if held and not self.is_over and not held.startswith(("<|", "<｜", "◁")):
            token = TOKEN.fullmatch(held)
            mark = mark_of(token) if token else None
            self._follow(mark, held) if mark and not self._is_text(mark) else self._plain(held)
        if self.json:
            self._end_json()
        self._end_call()
        self.shown.settle()
        return self.shown.taken()

    @property
    def works(self) -> bool:
        """The model writes thoughts, or a call: there is nothing to show, but it is alive."""
        return bool(self.hidden or self.call or self.json or self.shown.withheld is not None)

    @property
    def only_thought(self) -> bool:
        """Whether the reply ended within reasoning, before its first word."""
        thinks = any(mark.kind == "thoughts" for mark in self.hidden)
        return thinks and not (self.shown.has_any or self.is_over)

    # -- finding tokens ----------------------------------------------------------------------

    def _read(self, text: str) -> None:
        at = 0 if self.has_begun else self._begin(text)
        while at < len(text) and not self.is_over:
            if self.json:
                at = self._read_json(text, at)
                continue
            if self.hidden[:1] == [Mark("thoughts", BARE_THOUGHTS)]:
                at = self._skip_thoughts(text, at)
                continue
            trigger = TRIGGER.search(text, at)
            end = trigger.start() if trigger else len(text)
            if end > at:
                self._plain(text[at:end])
                at = end
            else:
                at = self._token(text, at)

    def _begin(self, text: str) -> int:
        """Look whether the reply begins with thoughts whose tokens are gone."""
        if BARE_THOUGHTS.startswith(text):
            self.held = text
            return len(text)
        self.has_begun = True
        follows = text[len(BARE_THOUGHTS) :][:1]
        if not (text.startswith(BARE_THOUGHTS) and (follows.isupper() or follows in "\"'“")):
            return 0
        self.hidden.append(Mark("thoughts", BARE_THOUGHTS))
        return len(BARE_THOUGHTS)

    def _skip_thoughts(self, text: str, at: int) -> int:
        end = text.find(BARE_ANSWER, at)
        if end < 0:
            self.held = text[max(at, len(text) - len(BARE_ANSWER) + 1) :]
            return len(text)
        self.hidden.clear()
        return end + len(BARE_ANSWER)

    def _token(self, text: str, at: int) -> int:
        """Read what may be a token; return where to go on."""
        if text[at] in "au":
            return self._bare_header(text, at)
        if text[at] == "`" and (end := self._fenced(text, at)):
            return end
        if text[at] != "`" and (self._hides or not self.shown.in_code):
            token = TOKEN.match(text, at)
            if token and (mark := mark_of(token)) and not self._is_text(mark):
                if token["control"] is None and not self._hides and self.shown.is_mid_sentence:
                    if MAYBE_NAMED.fullmatch(text, token.end()):
                        self.held = text[at:]
                        return len(text)
                    if NAMED.match(text, token.end()):
                        self._plain(token[0])
                        return token.end()
                self._follow(mark, token[0])
                return token.end()
            if token is None and may_begin(text, at):
                self.held = text[at:]
                return len(text)
        if self._may_be_json(text, at):
            name = PYTHON.match(text, at)
            if CALL_BEGINS.match(text, at) or (name and name.end() < len(text)):
                self.json, self.balance = Pending("json"), Balance()
                return at
            self.held = text[at:]
            return len(text)
        self._plain(text[at])
        return at + 1

    def _fenced(self, text: str, at: int) -> int:
        """Read where a block of code begins or ends that is a call; 0 if none does."""
        if self.call and self.call.kind == "fence":
            if text.startswith("`" * FENCE, at):
                self._end_call()
                return at + FENCE
            self.held = text[at:] if at + FENCE > len(text) else ""
            return len(text) if self.held else 0
        begins = FENCED.match(text, at)
        if not begins or self._hides or not self.shown.at_line_start or self.shown.code.in_block:
            return 0
        self.call = Pending("fence")
        return begins.end()

    def _bare_header(self, text: str, at: int) -> int:
        """Read "assistant" on the heels of a sentence: its header's tokens were taken out."""
        before = text[at - 1] if at else self.shown.last
        found = BARE.match(text, at)
        if found and before and before in GLUED and not (self._hides or self.shown.in_code):
            self.held = text[at:] if found.end() == len(text) else ""
            self.is_over = not self.held
            return len(text)
        self._plain(text[at])
        return at + 1

    def _is_text(self, mark: Mark) -> bool:
        """Tell whether a tag is text where it stands: around a part of a reply, or never opened."""
        if mark.kind == "wrapper":
            return not self._hides and self.shown.has_any and not (mark.closes and self.is_wrapped)
        return (
            mark.name == "details"
            and mark.closes
            and mark.name not in [one.name for one in self.hidden]
        )

    @property
    def _hides(self) -> bool:
        """Whether the current text is hidden."""
        is_header = self.header is not None
        return bool(is_header or self.call or self.hidden or self.is_between)

    def _plain(self, text: str) -> None:
        """Read text without tokens."""
        if self.header is not None:
            self._read_header(text)
        elif self.call:
            self.call.add(text)
        elif self.is_between and not self.hidden:
            if text.strip():
                self.is_over, self.is_between = self.shown.has_any, False
                self._plain(text)
        elif not (self.hidden or self.is_over):
            self.shown.add(text)

    def _follow(self, mark: Mark, text: str) -> None:
        """Apply a token."""
        if self.header is not None:
            if mark.kind == "dropped":
                self.header += " "
                return
            self._end_header()
            if mark.kind == "header_end":
                return
        if self.call and not self._ends_call(mark):
            self.call.add(text)
            return
        if self.call:
            self._end_call()
            if mark.kind == "call":
                return
        if mark.kind in ("thoughts", "hidden"):
            self._close(mark) if mark.closes else self._open(mark)
        elif mark.kind == "wrapper":
            self.is_wrapped = not mark.closes
        elif mark.kind == "dropped":
            self.shown.has_gap = self.shown.has_gap or mark.name.startswith("0x")  # a byte
        elif mark.kind == "call" and not (mark.closes or self.hidden):
            self.call = Pending(mark.name)
            self.call.add(text if mark.name in ("function", "invoke") else "")
        else:
            self._turn(mark)

    # -- what is hidden ----------------------------------------------------------------------

    def _open(self, mark: Mark) -> None:
        if len(self.hidden) < DEEPEST and mark.name not in [one.name for one in self.hidden]:
            self.hidden.append(mark)

    def _close(self, mark: Mark) -> None:
        """Close a hidden section; without an opening tag, all text so far was reasoning."""
        if not self.hidden:
            if mark.kind == "thoughts":
                self.shown.withdraw()
            return
        names = [one.name for one in self.hidden]
        if mark.name in names:
            del self.hidden[names.index(mark.name) :]
        elif mark.kind == self.hidden[-1].kind:  # models open one tag and close another
            self.hidden.pop()
        self.shown.has_gap = True

    # -- whose turn it is --------------------------------------------------------------------

    def _turn(self, mark: Mark) -> None:
        if mark.kind == "header":
            self.hidden.clear()
            self.header, self.header_kind = "", mark.name
        elif mark.kind == "role":
            self._turn_of(mark.name)
        elif mark.kind == "end" or (mark.kind == "strike" and mark.closes and not self.is_struck):
            self.hidden.clear()
            self.is_between, self.recipient = True, ""
        elif mark.kind == "strike":
            self.is_struck = not mark.closes
        elif mark.kind == "turn" and mark.closes:
            self.hidden = [one for one in self.hidden if one.kind != "turn"]
        elif mark.kind == "turn":
            self.is_over = self.shown.has_any
            self._open(mark)

    def _turn_of(self, role: str) -> None:
        role = role.casefold().strip(":")
        names = {self.name.casefold(), *self.name.casefold().split()}
        self.hidden.clear()
        self.is_between, self.shown.has_gap = False, True
        self.is_over = bool(role) and role not in OWN_ROLES | names

    def _read_header(self, text: str) -> None:
        """Read the header of a turn, up to the end of the line."""
        assert self.header is not None  # noqa: S101  (it is asked before)
        before, newline, rest = text.partition("\n")
        self.header += before[:LONGEST_HEADER]
        if newline or len(self.header) > LONGEST_HEADER:
            self._end_header()
            if rest and not self.is_over:
                self._plain(rest)

    def _end_header(self) -> None:
        header, self.header = self.header or "", None
        words, named = header.split(), RECIPIENT.search(header)
        if self.header_kind != "channel":
            self.recipient = named[1] if named else ""
            self._turn_of(words[0] if words and words[0] != (named and named[0]) else "")
            return
        self.is_between = False
        if recipient := named[1] if named else self.recipient:
            self.call = Pending("channel", recipient)
        elif words and words[0].casefold() not in SHOWN_CHANNELS:
            self._open(Mark("thoughts", "channel"))

    # -- calls -------------------------------------------------------------------------------

    def _ends_call(self, mark: Mark) -> bool:
        assert self.call is not None  # noqa: S101  (it is asked before)
        if mark.kind == "call":
            return mark.closes and mark.name == self.call.kind
        return mark.kind in ("end", "header", "role", "turn")

    def _end_call(self) -> None:
        call, self.call = self.call, None
        if call:
            self.shown.call(calls_in(call.text, self.offered))
            self.shown.has_gap = True

    def _may_be_json(self, text: str, at: int) -> bool:
        """Return whether a call in JSON, on a line of its own, may begin here."""
        if text[at] not in "`{[" or self._hides or not self.shown.at_line_start:
            return False
        if text[at] != "`" and self.shown.in_code:
            return False
        if text[at] == "`" and (self.shown.code.in_block or self.shown.code.in_line):
            return False
        if text[at] == "[" and (name := PYTHON.match(text, at)):
            is_whole = name.end() < len(text)
            return any(
                one == name[1] if is_whole else one.startswith(name[1]) for one in self.offered
            )
        is_short = len(text) - at <= LONGEST_BEGINNING
        return bool(CALL_BEGINS.match(text, at) or (is_short and CALL_BEGUN.fullmatch(text, at)))

    def _read_json(self, text: str, at: int) -> int:
        assert self.json is not None  # noqa: S101  (it is asked before)
        end = self.balance.end(text, at)
        self.json.add(text[at : end if end >= 0 else len(text)])
        if end >= 0:
            self._end_json()
            return end
        if self.json.size > LONGEST_JSON:
            json, self.json = self.json, None
            self.shown.add(json.text or text[at:])
        return len(text)

    def _end_json(self) -> None:
        """Emit a call, or show the JSON if it is none; drop half a call."""
        assert self.json is not None  # noqa: S101  (it is asked before)
        text, is_half, self.json = self.json.text, self.balance.depth > 0, None
        fence = OPENING_FENCE.match(text)
        bare = text[fence.end() :] if fence else text
        if is_call(bare, self.offered):
            self.shown.call(calls_in(bare, self.offered))
            self.shown.fence = FENCE if fence else 0
        elif not (is_half and CALL_KEYS.search(text)):
            self.shown.add(text)
