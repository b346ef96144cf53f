"""A message's Markdown as safe HTML: rendered once, when the message is complete."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from .markdown_attributes import inking
from .markdown_images import foreign_pictures

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

LONGEST_CODE = 10_000
"""Most letters of a highlighted block of code: longer ones would block the event loop."""
LONGEST = 100_000
"""Letters of a text beyond which it is shown as it stands,"""
MOST_MARKS = 2_000
"""and what may be mark-up in it, outside of code. More would block the event loop: each
mark costs up to a tenth of a millisecond."""
RENDERED = 500
"""Most rendered texts that are cached as HTML."""
LOOK_AHEAD = 2_000
"""Letters of mark-up that may stand between two words, as an address."""

_FENCED = re.compile(r"^(```|~~~)[^\n]*+\n(?:(?!\1)[^\n]*+(?:\n|\Z))*+", re.MULTILINE)
_MARKS = re.compile(r"[\[\]*_`<>|!\\~&{\n-]")


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


def render(text: str) -> Markup:
    """Return *text* as HTML without scripts, styles or foreign pictures.

    A text that is too long, or of too many marks, is shown as it stands. Takes a fifth of a second
    at the very most.
    """
    return _rendered(text) if _is_short(text) else _as_it_stands(text)


def _is_short(text: str) -> bool:
    if len(text) > LONGEST:
        return False
    return len(text) <= MOST_MARKS or len(_MARKS.findall(_FENCED.sub("", text))) <= MOST_MARKS


@lru_cache(maxsize=RENDERED)
def _rendered(text: str) -> Markup:
    return Markup(_cleaner.clean(_markdown.render(text)))  # noqa: S704  (nh3 has sanitised it)


def _as_it_stands(text: str) -> Markup:
    return Markup("<p>") + escape(text).replace("\n", Markup("<br>\n")) + Markup("</p>\n")


def start_of_word(text: str, number: int) -> int:
    """Return where in *text* the word of that number is (from 0), as the page shows it.

    That is: where it begins after the words before it; the end of the last one if there are fewer.
    """
    end = 0
    for place, word in enumerate(str(render(text).striptags()).split()):
        # without its punctuation, because mark-up may stand between the two
        bare = word.strip(string.punctuation) or word
        at = next(_places(text, bare, end), -1)
        if place == number:
            return at if at >= 0 else end
        end = at + len(bare) if at >= 0 else end
    return end


def _places(text: str, word: str, at: int) -> Iterator[int]:
    """Yield where a whole word is in the text from *at* on, as far as one looks ahead."""
    last = at + LOOK_AHEAD + len(word)
    while (at := text.find(word, at, last)) >= 0:
        around = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if not any(one.isalnum() or one == "_" for one in around):
            yield at
        at += 1
