"""Filters a model's text to its reply: no reasoning, no template tokens, no other speaker's turn.

Text streams in, cut anywhere; the beginning of a possible token is buffered, never more than a few
letters, and each letter is read at most twice. Within code (between backticks) everything is
literal.

What hides text: tags of reasoning, results of tools, calls, other speakers' turns. A tag that is no
word (``<think>``, ``[THINK]``) hides all that follows until it is closed; if it never is, the model
ended within its thoughts. A tag that may be words of the reply (``[think]``, ``<planning>``,
"**Thinking:**") hides what follows only until the reply ends: if nothing has closed it by then, it
was none, and the text is shown. A call of a tool that was not offered is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from attrs import define, field

from aichat.core.tools import ToolCall

from . import call_openings, thought_headings
from .call_openings import MAYBE, Opening
from .pending_call import Pending
from .template_tokens import (
    BARE,
    BARE_ANSWER,
    BARE_THOUGHTS,
    GLUED,
    MAYBE_NAMED,
    NAMED,
    OWN_ROLES,
    TOKEN,
    TRIGGER,
    Mark,
    mark_of,
    may_begin,
)
from .tool_calls_in_text import (
    LONGEST_PYTHON,
    calls_in,
    element_calls,
    is_call,
    unfenced,
    value_calls,
)
from .visible_text import FENCE, Shown, Withdrawn

LONGEST_JSON: Final = 20_000
"""Most letters of bare JSON that may be a call; longer JSON is text."""
LONGEST_DOUBT: Final = 20_000
"""Most letters that are hidden by a tag that may be none."""
LONGEST_HEADER: Final = 200
DEEPEST: Final = 16
"""Most nested tags around hidden text; deeper ones are ignored."""
SHOWN_CHANNELS = ("final", "commentary", "answer", "response")
RECIPIENT = re.compile(r"\bto=(?:functions\.)?([\w-]{1,64})")
OPENING_FENCE = re.compile(r"\s*```\w*\s*")
CALL_KEYS = re.compile(r"[\"'](?:arguments|parameters)[\"']")
LINE_REST = re.compile(r"[ \t;.,]*")
LINE_BEGINS = re.compile(r"[ \t]{0,8}[A-Za-z_*.#✿]")
HEADING = Mark("thoughts", "heading", is_doubtful=True)
WITHOUT_TOKENS = Mark("thoughts", BARE_THOUGHTS)


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
    """A call without tags, or what may be one."""
    doubt: list[str] | None = None
    """What an open tag hides that may be none, and that tag."""
    doubt_size: int = 0
    doubts: bool = True
    """No such tag has proved to be none yet."""
    is_after_call: bool = False
    """A call in JSON has just ended."""
    has_acted: bool = False
    """There was a call without tags: results that follow are invented."""
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
        if self._is_calm and text and text[0] not in "au" and not TRIGGER.search(text):
            self.shown.add(text)  # as `_read` would, in a fraction of the time
        elif not self.is_over:
            text, self.held = self.held + text, ""
            self._read(text)
        return self.shown.taken()

    @property
    def _is_calm(self) -> bool:
        """Whether the text is within a line of plain words."""
        is_line = self.has_begun and not (self.shown.at_line_start or self.held)
        is_open = self.json or self._hides or self.doubt is not None
        return is_line and not (is_open or self.is_after_call or self.is_over)

    def flush(self) -> list[str | ToolCall | Withdrawn]:
        """Return the buffered rest, at the end of the stream."""
        held, self.held = self.held, ""
        if held and not self.is_over and not held.startswith(("<|", "<｜", "◁")):
            self._last(held)
        if self.json:
            self._end_json()
        self._reveal()
        while self.json:
            self._end_json()
        self._end_call(is_whole=False)
        self.shown.settle()
        return self.shown.taken()

    def _last(self, held: str) -> None:
        """Read what was buffered when the stream ended."""
        token = TOKEN.fullmatch(held)
        mark = mark_of(token) if token else None
        if mark and not self._is_text(mark):
            self._follow(mark, held)
        elif not self._hides and (name := call_openings.action_alone(held, self.offered)):
            self.shown.call(value_calls(name, "", self.offered))
        else:
            self._plain(held)

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
        is_fresh = True  # what stands here may follow upon the end of a line, or of a sentence
        while at < len(text) and not self.is_over:
            if self.json:
                at, is_fresh = self._read_json(text, at), True
                continue
            if self.hidden and self.hidden[0] == WITHOUT_TOKENS:
                at = self._skip_thoughts(text, at)
                continue
            if is_fresh and (end := self._first(text, at)) is not None:
                at = end
                continue
            trigger = TRIGGER.search(text, at)
            end = trigger.start() if trigger else len(text)
            if is_fresh := end == at:
                at = self._token(text, at)
            else:
                self._plain(text[at:end])
                at = end

    def _first(self, text: str, at: int) -> int | None:
        """Read what stands only at the beginning of a line, or on the heels of a sentence."""
        if LINE_BEGINS.match(text, at) and (end := self._line(text, at)) is not None:
            return end
        if text[at] == "`":
            return self._token(text, at)
        return self._bare_header(text, at) if text[at] in "au" else None

    def _begin(self, text: str) -> int:
        """Look whether the reply begins with thoughts whose tokens are gone."""
        if BARE_THOUGHTS.startswith(text):
            self.held = text
            return len(text)
        self.has_begun = True
        follows = text[len(BARE_THOUGHTS) :][:1]
        if not (text.startswith(BARE_THOUGHTS) and (follows.isupper() or follows in "\"'“")):
            return 0
        self.hidden.append(WITHOUT_TOKENS)
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
        if text[at] == "\n":
            self._plain("\n")
            end = None if self.is_over else self._line(text, at + 1)
            return at + 1 if end is None else end
        if text[at] in "au":
            end = self._bare_header(text, at)
        elif text[at] == "`" and (end := self._fenced(text, at)):
            return end
        else:
            end = self._marked(text, at)
            end = self._json_begins(text, at) if end is None else end
        if end is None:
            trigger = TRIGGER.search(text, at + 1)
            end = trigger.start() if trigger else len(text)
            self._plain(text[at:end])
        return end

    def _marked(self, text: str, at: int) -> int | None:
        """Read a token; return where to go on, None if there is none."""
        if text[at] == "`" or (not self._hides and self.shown.in_code):
            return None
        token = TOKEN.match(text, at)
        mark = (self._element(token) or mark_of(token)) if token else None
        if token and mark and not self._is_text(mark):
            if token["control"] is None and not self._hides and self.shown.is_mid_sentence:
                if MAYBE_NAMED.fullmatch(text, token.end()):
                    return self._hold(text, at)
                if NAMED.match(text, token.end()):
                    self._plain(token[0])
                    return token.end()
            self._follow(mark, token[0])
            return token.end()
        is_begun = token is None and may_begin(text, at, self.offered)
        return self._hold(text, at) if is_begun else None

    def _element(self, token: re.Match[str]) -> Mark | None:
        """Return the meaning of a tag, on a line of its own, with the name of a tool."""
        tag, more = token["tag"] or "", token["more"] or ""
        if tag not in self.offered or more not in ("", "/", " /"):
            return None
        if token["tag_closes"]:
            is_end = self.call is not None and self.call.kind == f"<{tag}>"
            return Mark("call", f"<{tag}>", True) if is_end else None
        starts = self.shown.at_line_start and not self._hides
        return Mark("element" if more else "call", f"<{tag}>") if starts else None

    def _hold(self, text: str, at: int) -> int:
        self.held = text[at:]
        return len(text)

    def _line(self, text: str, at: int) -> int | None:
        """Read what stands only at the beginning of a line: headings of thoughts, calls."""
        if self.header is not None or self.call:
            return None
        if self.hidden:
            return self._heading_ends(text, at) if self.hidden[0] == HEADING else None
        if self.is_between or not self.shown.at_line_start or self.shown.in_code:
            return None
        if self.doubts and not self.shown.has_any:
            end = thought_headings.thinking_heading(text, at)
            if end == thought_headings.MAYBE:
                return self._hold(text, at)
            if end is not None:
                self._open(HEADING, text[at:end])
                return end
        if self.has_acted and (is_result := call_openings.is_observation(text, at)) is not False:
            self.is_over = is_result is True
            return self._hold(text, at)
        opening = call_openings.line_opening(text, at, self.offered)
        return self._begin_call(opening, text, at) if opening else None

    def _heading_ends(self, text: str, at: int) -> int | None:
        """Read the heading of an answer, or an action, behind thoughts under a heading."""
        if not (self.doubt and self.doubt[-1].endswith("\n")):
            return None
        end = thought_headings.answer_heading(text, at)
        opening = call_openings.line_opening(text, at, self.offered) if end is None else None
        if end == thought_headings.MAYBE or opening is MAYBE:
            return self._hold(text, at)
        if end is None and opening is None:
            return None
        self.hidden.clear()
        self.doubt = None
        return self._begin_call(opening, text, at) if opening else end

    def _fenced(self, text: str, at: int) -> int:
        """Read where a block of code begins or ends that is a call; 0 if none does."""
        if self.call and self.call.kind == "fence":
            if text.startswith("`" * FENCE, at):
                self._end_call()
                return at + FENCE
            self.held = text[at:] if at + FENCE > len(text) else ""
            return len(text) if self.held else 0
        begins = call_openings.FENCED.match(text, at)
        if not begins or self._hides or not self.shown.at_line_start or self.shown.code.in_block:
            return 0
        self.call = Pending("fence")
        self.call.is_thought = begins["thoughts"] is not None
        return begins.end()

    def _bare_header(self, text: str, at: int) -> int | None:
        """Read "assistant" on the heels of a sentence: its header's tokens were taken out."""
        before = self.shown.last
        found = BARE.match(text, at)
        if found and before and before in GLUED and not (self._hides or self.shown.in_code):
            self.held = text[at:] if found.end() == len(text) else ""
            self.is_over = not self.held
            return len(text)
        return None

    def _is_text(self, mark: Mark) -> bool:
        """Return whether a tag is text where it stands: around a part of a reply, never opened."""
        if mark.is_doubtful and not self._hides:
            is_direction = mark.name.isupper() and mark.name != "THINK"  # [thinking]
            return not self.doubts or (is_direction and not self.shown.at_line_start)
        if mark.kind == "wrapper":
            return not self._hides and self.shown.has_any and not (mark.closes and self.is_wrapped)
        is_open = mark.name in [one.name for one in self.hidden]
        return mark.name == "details" and mark.closes and not is_open

    @property
    def _hides(self) -> bool:
        """Whether the current text is hidden."""
        return bool(self.header is not None or self.call or self.hidden or self.is_between)

    def _plain(self, text: str) -> None:
        """Read text without tokens."""
        if self.doubt is not None:
            self._hide(text)
        elif self.header is not None:
            self._read_header(text)
        elif self.call:
            self.call.add(text)
        elif self.is_between and not self.hidden:
            if text.strip():
                self.is_over, self.is_between = self.shown.has_any, False
                self._plain(text)
        elif not (self.hidden or self.is_over):
            is_separator = self.is_after_call and text[:1] in (";", ",")
            self.is_after_call = False
            self.shown.add(text[1:] if is_separator else text)

    def _follow(self, mark: Mark, text: str) -> None:
        """Apply a token."""
        if self.doubt is not None:
            self._hide(text)
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
            self._close(mark) if mark.closes else self._open(mark, text)
        elif mark.kind == "wrapper":
            self.is_wrapped = not mark.closes
        elif mark.kind == "dropped":
            self.shown.has_gap = self.shown.has_gap or mark.name.startswith("0x")  # a byte
        elif mark.kind == "element":
            self.shown.call(value_calls(mark.name.strip("<>"), "", self.offered))
        elif mark.kind == "call" and not (mark.closes or self.hidden):
            self._begin_tagged(mark, text)
        else:
            self._turn(mark)

    def _begin_tagged(self, mark: Mark, text: str) -> None:
        """Begin a call with its tag, which may name the tool."""
        self.call = Pending(mark.name)
        is_glued = text.startswith("<") and not text.endswith((">", ";", "＞"))
        self.call.add(f"{text}>" if is_glued else text if "=" in text else "")

    # -- what is hidden ----------------------------------------------------------------------

    def _open(self, mark: Mark, text: str = "") -> None:
        if mark.is_doubtful and not self.hidden:
            self.doubt, self.doubt_size = [text], 0
        if len(self.hidden) < DEEPEST and mark.name not in [one.name for one in self.hidden]:
            self.hidden.append(mark)

    def _hide(self, text: str) -> None:
        """Keep what a tag hides that may be none; show it if it is too long for thoughts."""
        assert self.doubt is not None  # noqa: S101  (it is asked before)
        self.doubt.append(text)
        self.doubt_size += len(text)
        if self.doubt_size > LONGEST_DOUBT:
            self._reveal()

    def _reveal(self) -> None:
        """Show what a tag has hidden that was never closed: it was none."""
        hidden, self.doubt = self.doubt, None
        if hidden:
            self.hidden.clear()
            self.doubts = False
            self._plain(hidden[0])
            self._read_again("".join(hidden[1:]))

    def _read_again(self, text: str) -> None:
        self._read(text)
        held, self.held = self.held, ""
        if held:
            self._plain(held)

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
        if not self.hidden:
            self.doubt = None

    # -- whose turn it is --------------------------------------------------------------------

    def _turn(self, mark: Mark) -> None:
        if self.doubt and mark.kind in ("header", "role", "end"):
            self.doubt.pop()  # this token
            self._reveal()
        if mark.kind == "header":
            is_channel = mark.name == "channel"  # of the turn that has begun
            self.hidden = [one for one in self.hidden if is_channel and one.kind == "turn"]
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
        if role and role not in OWN_ROLES | names:
            self.is_over = self.shown.has_any
            self._open(Mark("turn", "role"))  # before the reply, the model repeats its prompt

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

    def _end_call(self, is_whole: bool = True) -> None:
        """Emit what stood between tags; show what may be words if no end came."""
        call, self.call = self.call, None
        if call is None:
            return
        self.shown.has_gap = True
        if call.kind.startswith("<") and is_whole:
            calls = element_calls(call.kind.strip("<>"), call.text, self.offered)
        elif call.kind.startswith("<") or call.is_thought:
            calls = []
        else:
            calls = calls_in(call.text, self.offered)
        self.shown.call(calls)
        if not (is_whole or calls) and (call.is_thought or call.kind[0] in "[<"):
            self.shown.add(call.text if call.is_thought else call.kind + call.text)

    def _json_begins(self, text: str, at: int) -> int | None:
        """Begin to read what may be a call in JSON, or one that is the whole reply."""
        if text[at] not in "`{[" or self._hides:
            return None
        is_code, starts = text[at] == "`", self.shown.at_line_start
        if is_code and (self.shown.code.in_block or self.shown.code.in_line or not starts):
            return None
        if not is_code and self.shown.in_code:
            return None
        opening = None
        if is_code and self.doubts and not self.shown.has_any:
            opening = call_openings.whole_opening(text, at, self.offered)
        elif starts:
            opening = call_openings.list_opening(text, at, self.offered)
        opening = opening or call_openings.json_opening(text, at, self.offered)
        return self._begin_call(opening, text, at) if opening else None

    def _begin_call(self, opening: Opening, text: str, at: int) -> int:
        """Begin to read a call without tags; return where to go on."""
        if opening is MAYBE:
            return self._hold(text, at)
        if opening.kind == "none":
            self.has_acted = True
            self.shown.call(value_calls(opening.name, "", self.offered))
        elif opening.kind != "label":
            self.json = Pending(opening.kind, opening.name)
        return opening.at

    def _read_json(self, text: str, at: int) -> int:
        assert self.json is not None  # noqa: S101  (it is asked before)
        if self.json.is_closed:
            return self._after_call(self.json, text, at)
        end = self.json.end(text, at)
        self.json.add(text[at : end if end >= 0 else len(text)])
        if end >= 0 and self.json.kind == "line":
            self.json.is_closed = True
            return end
        if end >= 0:
            self._end_json()
            return end
        longest = LONGEST_JSON if self.json.kind in ("json", "value") else LONGEST_PYTHON
        if self.json.size > longest:
            json, self.json = self.json, None
            self._show_again(json)
        return len(text)

    def _after_call(self, json: Pending, text: str, at: int) -> int:
        """Read what follows a call that has to stand alone on its line."""
        rest = LINE_REST.match(text, at)
        end = rest.end() if rest else at
        json.add(text[at:end])
        if end < len(text) and text[end] == "\n":
            self._end_json()
        elif end < len(text):
            self.json = None
            self.shown.add(json.words)
        return end

    def _end_json(self) -> None:
        """Emit a call, or show the text if it is none; drop half a call."""
        assert self.json is not None  # noqa: S101  (it is asked before)
        json, is_half, self.json = self.json, self.json.balance.depth > 0, None
        text = json.words
        fence = OPENING_FENCE.match(text)
        if json.kind == "value":
            self.has_acted = True
            self.shown.call(value_calls(json.name, text, self.offered))
            self.shown.fence = FENCE if fence else 0
        elif is_call(text, self.offered):
            self.shown.call(calls_in(unfenced(text), self.offered))
            self.shown.fence = FENCE if fence and json.kind == "json" else 0
            self.has_acted, self.is_after_call = True, json.kind == "json"
        elif not (is_half and CALL_KEYS.search(text)):
            self._show_again(json)

    def _show_again(self, json: Pending) -> None:
        """Show what was no call."""
        if json.kind == "whole":
            self.doubts = False
            self._read_again(json.words)
        else:
            self.shown.add(json.words)
