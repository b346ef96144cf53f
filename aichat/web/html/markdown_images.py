"""Markdown's pictures: our own are shown, those from elsewhere become links.

Fetching a picture from another server would reveal the reader to it.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

OURS = re.compile(r"/images/[\w.-]+")


def foreign_pictures(markdown: MarkdownIt) -> None:
    """Have *markdown* make links of them."""
    markdown.core.ruler.after("inline", "foreign_pictures", _put_links)


def _put_links(state: StateCore) -> None:
    for inline in state.tokens:
        if inline.children:
            inline.children = [new for old in inline.children for new in _linked(old)]


def _linked(token: Token) -> list[Token]:
    source = str(token.attrGet("src"))
    if token.type != "image" or OURS.fullmatch(source):
        return [token]
    words = Token("text", "", 0, content=token.content or source)
    return [Token("link_open", "a", 1, attrs={"href": source}), words, Token("link_close", "a", -1)]
