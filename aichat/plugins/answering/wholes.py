"""What in a text belongs together, because it is read out otherwise than it stands, or not at all.

Code, links, tags, **bold** and *actions*: a clause that ended in the middle of one could no longer
be told from plain words.
"""

from __future__ import annotations

import re

OPENERS = "`[*_<"
"""What may begin a whole."""
LONGEST = 400
"""Characters beyond which something is no whole, but a stray mark; code blocks have no limit."""
UNKNOWN = -1

TICKS = re.compile(r"`{1,3}")
BLOCK = re.compile(r"```.*?```", re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
NO_CODE = re.compile(r"`[^`\n]*\n")
LINK = re.compile(r"\[[^\]\n]*\]\([^)\n]*\)")
NO_LINK = re.compile(r"\[[^\]\n]*(?:\n|\][^(])")
TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
NO_TAG = re.compile(r"<(?:/?[^/a-zA-Z]|/?[a-zA-Z][^<>\n]*[<\n])")
STARS = re.compile(r"(\*{1,2}|_{1,2})(?![*_])(?=\S)(?:(?!\1)[^\n])*[^\s*_]\1(?=[^\w*_])")
NO_STARS = re.compile(
    r"\*{3}|_{3}|[*_]{1,2}\s|[^\n]+\n|(\*{1,2}|_{1,2})(?![*_])(?:(?!\1)[^\n])*(?:\s\1|\1[\w*_])"
)


def whole_at(text: str, at: int, final: bool = False) -> int:
    """Return where the whole that begins at *at* ends; *at* if none does.

    ``UNKNOWN`` while that depends on what follows; if *text* is *final*, nothing does.
    """
    end = _whole(text, at)
    return at if end == UNKNOWN and final else end


def _whole(text: str, at: int) -> int:
    opener = text[at]
    if opener == "`":
        return _code(text, at)
    if opener == "[":
        return _one_of(LINK, NO_LINK, text, at)
    if opener == "<":
        return _one_of(TAG, NO_TAG, text, at)
    if at and (text[at - 1].isalnum() or text[at - 1] in "*_"):
        return at  # inside a word, or the rest of a mark that was looked at
    return _one_of(STARS, NO_STARS, text, at)


def _code(text: str, at: int) -> int:
    if at and text[at - 1] == "`":
        return at
    ticks = TICKS.match(text, at)
    assert ticks  # noqa: S101  (text[at] is one)
    if len(ticks[0]) < 3 and ticks.end() == len(text):
        return UNKNOWN
    if len(ticks[0]) == 3:
        block = BLOCK.match(text, at)
        return block.end() if block else UNKNOWN
    if len(ticks[0]) == 2:
        return at
    return _one_of(CODE, NO_CODE, text, at)


def _one_of(yes: re.Pattern[str], no: re.Pattern[str], text: str, at: int) -> int:
    if match := yes.match(text, at, at + LONGEST + 1):
        return match.end()
    if no.match(text, at) or len(text) > at + LONGEST:
        return at
    return UNKNOWN
