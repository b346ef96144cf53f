"""What of a text is read out: its words, not its mark-up, code, emoji or stage directions.

First what belongs together is taken out or reduced to its words (:mod:`.markup_spans`), then what a
voice would swallow is said in words (:mod:`.spoken_symbols`), then all else that is no word goes.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from .latex import spelled
from .markup_spans import MarkupSpan, MarkupSpans
from .narration import is_narration
from .narration_words import EXPRESSED, word_set
from .spoken_symbols import in_words
from .stage_directions import is_direction

DEEPEST = 6
"""Emphasis and links within each other that are taken apart; the rest is read as it is."""
AROUND = 80
"""Letters around a passage that decide whether it is narration."""

PLAIN = re.compile(r"(?=.*[A-Za-z0-9])(?!.*\d ?[xeE] ?\d)[A-Za-z0-9 ,.;:!?'\"]*+")
"""Words and punctuation on one line: nothing to take out."""
HEART = re.compile(r"(?:(?<![\w)] )(?<![\w)])|(?<=[^\W\d_]{2} )|(?<=\bI ))<3(?![\w.])")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
LATEX = re.compile(
    r"\\(?:[dt]?frac|sqrt|times|cdot|div|pm|leq?|geq?|neq?|approx|infty|text)(?![a-z])"
)
URL = re.compile(
    r"(?:https?://|www\.(?=\w))[^\s<>()\[\]{}\"“”«»`]++(?:\([^\s<>()]*+\)[^\s<>()\[\]{}\"]*+)*+"
)
HOST = re.compile(r"(?:https?://)?(?:[^/@]*@)?(?:www\.)?([^/?#:]*)")
URL_END = ".,;:!?…'*_~|、。，！？"
LINK = re.compile(r"\[(.*)\](?:\(.*\)|\[.*\]|\{.*\})\Z", re.DOTALL)
TAG = re.compile(r"<(/?)\s?([a-zA-Z][\w-]*)(.*?)(/?)>\Z", re.DOTALL)
ADDRESS = re.compile(r"<((?:https?|mailto|ftp):[^\s<>]+|[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+)>\Z")
PLACEHOLDER = re.compile(r"<(?!\w+ (?:and|or) )[\w-]+(?: [\w-]+){0,3}>")
ATTRIBUTE = re.compile(r"\A\s+[\w:-]+\s*=")
TAGS = word_set(
    "a abbr article aside audio b big blockquote body br button caption center cite code col dd "
    "del details dfn div dl dt em embed figcaption figure font footer form h1 h2 h3 h4 h5 h6 head "
    "header hr html i iframe img input ins kbd label li link main mark meta nav ol option p pre q "
    "rp rt ruby s samp script section select small source span strike strong style sub summary "
    "sup svg table tbody td textarea tfoot th thead title tr tt u ul var video wbr"
)
LINE_MARK = re.compile(
    r"^[ \t]*+(?:#{1,6}|[-*+](?:[ \t]+\[[ xX]\])?|>(?:[ \t]?>){0,16})(?:[ \t]++|$)", re.MULTILINE
)
ROW = re.compile(r"^[ \t]*+\|[^\n]*\||^[^\n|]*\w \| \w", re.MULTILINE)
RULE = re.compile(r"(?=[^\n]*--)[\s|:=*_-]++|[\s|:-]++")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z]\w{1,31});")
CLOSING = (*".,;:!?…",)
EMPTY = re.compile(r"\(\s*+\)|\[\s*+\]")
STRAY = re.compile(r"(?<![\w)] )[<>]|[<>](?! [\w(])")
SPACE = re.compile(r"\s+")


class _Said(dict[int, str | None]):
    """Leaves out emoji, their joiners and modifiers, stray mark-up and control characters."""

    def __missing__(self, code: int) -> str | None:
        said = self[code] = chr(code) if _is_said(chr(code)) else None
        return said


def _is_said(character: str) -> bool:
    if character in "*`#~|\ufe0f\u200d\u20e3" or "\U000e0000" <= character <= "\U000e007f":
        return False
    if character == "°":
        return True
    kind = unicodedata.category(character)
    return kind not in ("So", "Sk", "Cs", "Co", "Cn") and (kind != "Cc" or character.isspace())


SAID = _Said()


def speakable(text: str) -> str:
    """Return *text* as it is to be read out; empty when there is nothing to say in it."""
    if PLAIN.fullmatch(text):
        return " ".join(text.split())
    text = _tables(_words(text, DEEPEST))
    text = in_words(HEART.sub(" ", LINE_MARK.sub("", text)))
    text = STRAY.sub(" ", text).translate(SAID)
    text = SPACE.sub(" ", EMPTY.sub(" ", text)).strip()
    return text if any(c.isalnum() for c in text) else ""


# -- what belongs together ---------------------------------------------------------------------


def _words(text: str, deepest: int) -> str:
    """Return *text* with every span in it reduced to what is to be said of it."""
    spans = MarkupSpans()
    spans.read(text, final=True)
    parts: list[str] = []
    at = 0
    for span in spans.found:
        is_image = span.kind == "link" and text[span.begin - 1 : span.begin] == "!"
        before, said = _plain(text[at : span.begin - is_image]), _said(text, span, deepest)
        if span.kind == "aside" and not said and text[span.end : span.end + 1] in CLOSING:
            before = before.rstrip()  # "Sure (laughs)." is "Sure."
        parts += before, said
        at = span.end
    parts.append(_plain(text[at:]))
    return "".join(parts)


def _said(text: str, span: MarkupSpan, deepest: int) -> str:
    source = text[span.begin : span.end]
    match span.kind:
        case "code":
            return source.strip("`")
        case "link":
            return _link(source, deepest)
        case "tag":
            return _tag(source, text[span.begin - 1 : span.begin], text[span.end :][:1])
        case "math":
            return spelled(source)
        case "star":
            return _star(text, span, deepest)
        case "aside":
            return _aside(text, span, deepest)
    return " "  # a block of code, a comment


def _star(text: str, span: MarkupSpan, deepest: int) -> str:
    """Return what is emphasised, without its marks; nothing of what is done."""
    source = text[span.begin : span.end]
    count = len(source) - len(source.lstrip(source[0]))
    inner = source[count:-count]
    before = text[max(0, span.begin - AROUND) : span.begin]
    if count == 1 and is_narration(before, inner, text[span.end : span.end + AROUND]):
        return " "
    return _words(inner, deepest - 1) if deepest else inner


def _aside(text: str, span: MarkupSpan, deepest: int) -> str:
    """Return what is said in brackets; nothing of a stage direction."""
    source, before = text[span.begin : span.end], text[max(0, span.begin - AROUND) : span.begin]
    if is_direction(before, source, text[span.end : span.end + AROUND]):
        return ""
    inner = source[1:-1]
    return source[0] + (_words(inner, deepest - 1) if deepest else inner) + source[-1]


def _link(source: str, deepest: int) -> str:
    if source.startswith("[^"):
        return ""
    label = LINK.match(source)
    inner = label[1] if label else source
    return _words(inner, deepest - 1) if deepest else inner


def _tag(source: str, before: str, after: str) -> str:
    """Leave out what is a tag: known ones, and others that can be nothing else.

    What a voice is to do, as <laugh>, is left out; a <placeholder> is read.
    """
    if address := ADDRESS.match(source):
        return _host(address[1]) if "//" in source else address[1].removeprefix("mailto:")
    if source.startswith(("<|", "<!", "<?")):
        return " "
    if (tag := TAG.match(source)) is None:
        return source
    closes, name, rest, is_empty = tag.groups()
    if name.lower() in TAGS and (not rest.strip() or ATTRIBUTE.match(rest)):
        return " "
    if closes or is_empty or ATTRIBUTE.match(rest) or name.lower() in EXPRESSED:
        return " "
    if not PLACEHOLDER.fullmatch(source):
        return source
    if not after.isalnum():
        return f" {source[1:-1]} "
    return source if before.isalnum() else " "  # a <b>c or a<b>c


# -- plain text --------------------------------------------------------------------------------


def _plain(text: str) -> str:
    if "://" in text or "www." in text:
        text = URL.sub(_address, text)
    if "\\" in text:
        if LATEX.search(text):
            text = spelled(text)
        text = ESCAPED.sub(lambda found: " " if found[1] == "|" else found[1], text)
    return ENTITY.sub(lambda found: unescape(found[0]), text) if "&" in text else text


def _address(found: re.Match[str]) -> str:
    url = found[0].rstrip(URL_END)
    return _host(url) + found[0][len(url) :]


def _host(url: str) -> str:
    host = HOST.match(url)
    return host[1] if host else url


def _tables(text: str) -> str:
    """Read the cells of a row one after the other, as in "A, B." and "1, 2."."""
    if "|" not in text or not (ROW.search(text) or "---" in text):
        return text
    return "\n".join(_row(line) if "|" in line else line for line in text.split("\n"))


def _row(line: str) -> str:
    if RULE.fullmatch(line):
        return ""
    if not ROW.search(line):
        return line
    cells = ", ".join(cell.strip() for cell in line.split("|") if cell.strip())
    return cells if not line.strip().startswith("|") or cells[-1:] in ".!?…" else f"{cells}."
