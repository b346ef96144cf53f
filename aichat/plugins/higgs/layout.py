"""How codes lie in the rows that the model writes: each codebook one step later than the last.

    row      0    1    2    3  ...       s   s+1   s+2
    book 0  bos   f0   f1   f2  ...     eos   eos   eos
    book 1  bos  bos   f0   f1  ...      f    eos   eos
    book 2  bos  bos  bos   f0  ...      f     f    eos

So frame f is complete with row f + books, and the first after books + 1 steps. The end is written
in the same way: from the step in which some book ended, one more of them ends in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

Row = list[int]
"""A code for each book, as the model writes it in one step."""
Frame = list[int]
"""A code for each book that belong together: 40 ms of sound."""


@frozen
class Layout:
    """How many *books* of *size* codes, and the two codes that are no sound."""

    books: int
    size: int
    bos: int
    eos: int

    @classmethod
    def of(cls, config: Any) -> Layout:
        """Read it from the model's configuration."""
        return cls(
            config.num_codebooks,
            config.codebook_size,
            config.audio_stream_bos_id,
            config.audio_stream_eos_id,
        )

    def frame(self, rows: Sequence[Row], number: int) -> Frame | None:
        """Return frame *number*; None if it is not complete yet, or behind the end."""
        if number + self.books >= len(rows):
            return None
        codes = [rows[number + 1 + book][book] for book in range(self.books)]
        return None if self.eos in codes else [min(code, self.bos - 1) for code in codes]

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """Write frames as the model would have, with the begin and the end."""
        first, last = [self.bos] * self.books, [self.eos] * self.books
        flat = [first, *frames, last]
        count = len(flat) + self.books - 1
        return [[self._code(flat, row, book) for book in range(self.books)] for row in range(count)]

    def _code(self, flat: Sequence[Frame], row: int, book: int) -> int:
        at = row - book
        if at < 0:
            return self.bos
        return flat[at][book] if at < len(flat) else self.eos
