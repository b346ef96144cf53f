"""What of a text is read out: its words, not its mark-up, code, emoji or stage directions."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

CODE_BLOCK = re.compile(r"```.*?(?:```|$)", re.DOTALL)
CODE = re.compile(r"`([^`\n]*)`")
IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
URL = re.compile(r"https?://(?:www\.)?([^\s/]+)\S*")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
STRESS = re.compile(r"(?<=[\w,] )\*(?![^\W\d_]+(?:s|ing)\*)([^\W\d_]+)\*(?=[,.;:!?]| [^\W_])")
"""One word in mid-sentence is stressed, and read: leaving out a *not* would turn the sense round.
Unless it looks like a stage direction: *smiles*, *smiling*."""
ACTION = re.compile(r"(?<!\w)\*(?=\S)[^*\n]+?(?<=\S)\*(?!\w)")
EMPHASIS = re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)")
LINE_MARK = re.compile(r"^\s*(?:#{1,6}|[-*+]|>+)\s+", re.MULTILINE)
PLAIN = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9 ,.;:!?'\"()]*")
"""Words and punctuation on one line: nothing to take out."""
SPACE = re.compile(r"\s+")


def speakable(text: str) -> str:
    """Return *text* as it is to be read out; empty when there is nothing to say in it."""
    if PLAIN.fullmatch(text):
        return " ".join(text.split())
    text = unescape(text)
    for pattern, instead in (
        (CODE_BLOCK, " "),
        (IMAGE, r"\1"),
        (LINK, r"\1"),
        (URL, r"\1"),
        (TAG, " "),
        (BOLD, r"\2"),
        (LINE_MARK, ""),
        (STRESS, r"\1"),
        (ACTION, " "),
        (EMPHASIS, r"\1"),
        (CODE, r"\1"),
    ):
        text = pattern.sub(instead, text)
    text = SPACE.sub(" ", "".join(c for c in text if _is_said(c))).strip()
    return text if any(c.isalnum() for c in text) else ""


def _is_said(character: str) -> bool:
    """Leave out emoji, their joiners and modifiers, stray mark-up and control characters."""
    if character in "*`#~|<>\ufe0f\u200d\u20e3" or "\U000e0000" <= character <= "\U000e007f":
        return False
    if character == "°":
        return True
    kind = unicodedata.category(character)
    return kind not in ("So", "Sk", "Cs", "Co", "Cn") and (kind != "Cc" or character.isspace())
