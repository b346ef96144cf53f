"""Markdown as one line of plain text: for titles and previews."""

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
    """Return a short *text* on one line, without the marks of CommonMark.

    Unknown marks stay as they are. In the worst case its time grows with the square of the length:
    cut long texts first.
    """
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return " ".join(text.split())
