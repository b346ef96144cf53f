"""Splits long texts into chunks that a voice can synthesise in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 300
"""Most letters of a chunk: about 20 s of speech."""

_SENTENCE = re.compile(r".+?(?:(?<![.!?;:])[.!?;:]++[\"')\]]*+(?=\s|$)|$)", re.DOTALL)


def pieces(text: str, longest: int = LONGEST) -> Iterator[str]:
    """Yield a text in chunks, cut at the ends of sentences, else between words, else anywhere."""
    for start, end in spans(text, longest):
        yield " ".join(text[start:end].split())


def spans(text: str, longest: int = LONGEST) -> Iterator[tuple[int, int]]:
    """Yield the chunks as places in the text, without the spaces around them."""
    start = end = 0
    for at, stop in _parts(text, longest):
        if end > start and stop - start > longest:
            yield start, end
            start = end = at
        elif end == start:
            start = at
        end = stop
    if end > start:
        yield start, end


def _parts(text: str, longest: int) -> Iterator[tuple[int, int]]:
    for sentence in _SENTENCE.finditer(text):
        words = [sentence] if len(sentence[0].strip()) <= longest else []
        for word in words or re.finditer(r"\S+", sentence[0]):
            offset = 0 if word is sentence else sentence.start()
            start = offset + word.end() - len(word[0].lstrip())
            stop = offset + word.start() + len(word[0].rstrip())
            yield from ((at, min(at + longest, stop)) for at in range(start, stop, longest))
