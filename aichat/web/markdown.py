"""A message's Markdown as safe HTML: rendered once, when the message is complete."""

from __future__ import annotations

import re
import string
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from .foreign_pictures import foreign_pictures
from .inking import inking

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "img"),
    *("span", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt"},
    "ol": {"start"},
    # HTML is off, so classes come from our own rules only
    **{tag: {"class"} for tag in ("code", "span", "p", "h1", "h2", "h3", "h4", "h5", "h6")},
}

LONGEST_CODE = 20_000
"""Letters of a block of code beyond which it is not highlighted: that would hold everybody up."""
RENDERED = 500
"""So many texts are kept as HTML: those of the pages that people look at."""


def _highlighted(code: str, language: str, _: str) -> str:
    """Return code with the classes of its parts; nothing when nobody knows the language."""
    if not language or len(code) > LONGEST_CODE:
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


_markdown = MarkdownIt(
    "commonmark", {"html": False, "breaks": True, "highlight": _highlighted}
).enable(["table", "strikethrough"])
inking(_markdown)
foreign_pictures(_markdown)
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},  # a click must not end the call
)


@lru_cache(maxsize=RENDERED)
def render(text: str) -> Markup:
    """Return *text* as HTML without scripts, styles or foreign pictures."""
    return Markup(_cleaner.clean(_markdown.render(text)))  # noqa: S704  (nh3 has sanitised it)


def start_of_word(text: str, number: int) -> int:
    """Return where in *text* the word of that number is (from 0), as the page shows it.

    That is: where it begins after the words before it; the end of the last one if there are fewer.
    """
    end = 0
    for place, word in enumerate(str(render(text).striptags()).split()):
        # without its punctuation, because mark-up may stand between the two
        bare = re.escape(word.strip(string.punctuation) or word)
        match = re.compile(rf"(?<!\w){bare}(?!\w)").search(text, end)
        if place == number:
            return match.start() if match else end
        end = match.end() if match else end
    return end
