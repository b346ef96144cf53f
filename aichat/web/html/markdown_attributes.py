"""Two additions to Markdown, for colour and place: ``[words]{.red}``, and ``{.center}`` at the end.

They become classes of the page's own style sheet: readable on light and on dark, and within
the page's policy, which allows no style in HTML.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

INKS = ("red", "blue", "green", "purple", "teal", "brown")
PLACES = ("center", "right")

LONGEST_PLACE = len("{.center}")

_INK = re.compile(rf"\]\{{\.({'|'.join(INKS)})\}}")
_PLACE = re.compile(rf"\{{\.({'|'.join(PLACES)})\}}\Z")


def inking(markdown: MarkdownIt) -> None:
    """Teach *markdown* both."""
    markdown.inline.ruler.before("link", "ink", _ink)
    markdown.core.ruler.after("inline", "place", _place)


def _ink(state: StateInline, silent: bool) -> bool:
    """Read ``[words]{.red}``; what is within is Markdown as well."""
    if state.src[state.pos] != "[":
        return False
    end = state.md.helpers.parseLinkLabel(state, state.pos)
    found = _INK.match(state.src, end) if end >= 0 else None
    if not found:
        return False
    if not silent:
        state.push("ink_open", "span", 1).attrSet("class", f"ink-{found[1]}")
        last, state.pos, state.posMax = state.posMax, state.pos + 1, end
        state.md.inline.tokenize(state)
        state.posMax = last
        state.push("ink_close", "span", -1)
    state.pos = found.end()
    return True


def _place(state: StateCore) -> None:
    """Take ``{.center}`` from the end of paragraphs and headings, and put them there."""
    for block, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if block.type in ("paragraph_open", "heading_open") and inline.children:
            _put(block, inline.children[-1])


def _put(block: Token, last: Token) -> None:
    content = last.content.rstrip() if last.type == "text" else ""
    if found := _PLACE.search(content, max(0, len(content) - LONGEST_PLACE)):
        last.content = content[: found.start()].rstrip()
        block.attrSet("class", f"align-{found[1]}")
