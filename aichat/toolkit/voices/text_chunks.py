"""Splits long texts into chunks that a voice can synthesise in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 300
"""Most letters of a chunk: about 20 s of speech."""

_SENTENCE = re.compile(r".+?(?:(?<![.!?;:])[.!?;:]++[\"')\]]*+(?=\s|$)|$)", re.DOTALL)


def pieces(text: str, longest: int = LONGEST) -> Iterator[str]:
    """Yield a text in chunks, cut at the ends of sentences, else between words, else anywhere."""
    piece = ""
    for part in _parts(text, longest):
        if piece and len(piece) + 1 + len(part) > longest:
            yield piece
            piece = ""
        piece = f"{piece} {part}" if piece else part
    if piece:
        yield piece


def _parts(text: str, longest: int) -> Iterator[str]:
    for sentence in (found.group().strip() for found in _SENTENCE.finditer(text)):
        words = [sentence] if len(sentence) <= longest else sentence.split()
        for word in words:
            yield from (word[at : at + longest] for at in range(0, len(word), longest))
