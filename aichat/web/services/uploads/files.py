"""Uploaded files, and limits on how many are processed at once."""

from __future__ import annotations

from typing import Protocol

from aichat.core import NotReady

from .clips import TooLarge

AT_ONCE = 2
"""Most files that are decoded at once."""
WAITING = 8
"""Most files that wait to be decoded."""


class File(Protocol):
    """An uploaded file."""

    async def read(self, size: int = -1) -> bytes:
        """Return the rest of it, at most *size* bytes."""
        ...


class Busy(NotReady):
    """Too many files are being decoded."""

    code = "busy"


async def read_at_most(file: File, limit: int, hint: str) -> bytes:
    """Return the bytes of a file. Raises :class:`TooLarge` over *limit*."""
    data = await file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"The file is over {limit // 10**6} MB.", hint)
    return data
