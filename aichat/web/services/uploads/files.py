"""Files that users send, and how many are worked on at once."""

from __future__ import annotations

from typing import Protocol

from aichat.core import NotReady

from .clips import TooLarge

AT_ONCE = 2
"""So many are decoded side by side."""
WAITING = 8
"""So many more may wait."""


class File(Protocol):
    """An uploaded file."""

    async def read(self, size: int = -1) -> bytes:
        """Return what is left of it, at most *size* bytes."""
        ...


class Busy(NotReady):
    """Too many files are being decoded."""

    code = "busy"


async def read_at_most(file: File, limit: int, mend: str) -> bytes:
    """Return the file. Raises :class:`TooLarge`."""
    data = await file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"The file is over {limit // 10**6} MB.", mend)
    return data
