"""Markdown in a line of plain words: a title, what was said last."""

from __future__ import annotations

import re

_PAIR = r"(?<![\\\w*_~])(\*{1,3}|_{1,3}|~~)(?=[^\s*_~])(.+?)(?<=[^\s\\*_~])\1(?![\w*_~])"
_RULES = tuple(
    (re.compile(pattern, re.MULTILINE), instead)
    for pattern, instead in (
        (r"^\s{0,3}(?:`{3,}|~{3,}).*$", ""),  # a fence; the code stays
        (r"^\s{0,3}(?:(?:#{1,6}|[-*+]|>)\s+)+", ""),
        (r"(?<!\\)\[((?:[^\[\]\\]|\\.)+)\](?:\([^()\s]*\)|\{\.[a-z]+\})", r"\1"),
        (r" \{\.[a-z]+\}$", ""),  # where a paragraph stands
        (r"(?<!\\)(`+)(?!`)(.+?)(?<!`)\1(?!`)", r"\2"),
        (_PAIR, r"\2"),
        (_PAIR, r"\2"),  # one within another
        (r"\\([!-/:-@\[-`{-~])", r"\1"),
    )
)


def unmarked(text: str) -> str:
    """Return the words of a short *text* on one line, without the marks of CommonMark.

    What it does not know stays as it is. Its time grows with the square of a text that is made to
    slow it: cut long ones first.
    """
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return " ".join(text.split())
