"""A message's Markdown as safe HTML: rendered once, when the message is complete."""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from .inking import inking

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "span", "img"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt"},
    "ol": {"start"},
    # HTML is off, so classes come from our own rules only
    **{tag: {"class"} for tag in ("code", "span", "p", "h1", "h2", "h3", "h4", "h5", "h6")},
}
OUR_PICTURES = re.compile(r"/images/[\w.-]+")

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)


def _foreign_pictures(state: StateCore) -> None:
    """Make links of pictures from elsewhere: shown, they would tell that place who reads."""
    for inline in state.tokens:
        if inline.children:
            inline.children = [new for old in inline.children for new in _linked(old)]


def _linked(token: Token) -> list[Token]:
    source = str(token.attrGet("src"))
    if token.type != "image" or OUR_PICTURES.fullmatch(source):
        return [token]
    words = Token("text", "", 0, content=token.content or source)
    return [Token("link_open", "a", 1, attrs={"href": source}), words, Token("link_close", "a", -1)]


inking(_markdown)
_markdown.core.ruler.after("inline", "foreign_pictures", _foreign_pictures)
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)


def render(text: str) -> Markup:
    """Return *text* as HTML without scripts, styles or foreign pictures."""
    return Markup(_cleaner.clean(_markdown.render(text)))  # noqa: S704  (nh3 has sanitised it)
