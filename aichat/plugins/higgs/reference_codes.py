"""Reference codes as they are kept with a voice: for each book, a code for each frame."""

from __future__ import annotations

from collections.abc import Sequence

from aichat.core import AudioTokens

from .layout import Frame, Layout

LONGEST = 750
"""Frames of a reference, 30 s: what is longer leaves too little room for what is to be said."""


def fit(codes: AudioTokens | None, layout: Layout) -> bool:
    """Return whether *codes* can have been made here; another engine's cannot be used."""
    if not codes or len(codes) != layout.books or not all(map(_is_list, codes)):
        return False
    length = len(codes[0])
    return 0 < length <= LONGEST and all(
        len(book) == length and all(_is_code(code, layout) for code in book) for book in codes
    )


def frames(codes: AudioTokens) -> list[Frame]:
    """Turn kept codes into frames."""
    return [list(frame) for frame in zip(*codes, strict=True)]


def kept(frames: Sequence[Frame]) -> list[list[int]]:
    """Turn frames into codes to be kept."""
    return [list(book) for book in zip(*frames, strict=True)]


def _is_list(book: object) -> bool:
    return isinstance(book, (list, tuple))


def _is_code(code: object, layout: Layout) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and 0 <= code < layout.bos
