"""Stores uploaded pictures, re-encoded in a separate process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import anyio
from attrs import define, field

from aichat.core import BadValue, NotFound, Storage

from .clips import TooLarge, run
from .files import AT_ONCE, WAITING, Busy, File, read_at_most

PAINTER = Path(__file__).with_name("painter.py")
LIMIT_BYTES = 12_000_000
KEY = re.compile(r"[0-9a-f]{64}\.webp")
"""Matches the key of a clip that is a picture."""
ADDRESS = "/images/"
SIDES = {"face": 512, "message": 1_600}
"""Most pixels of the longer side, by where a picture is shown."""
Use = Literal["face", "message"]
AGAIN = "Save it anew, as PNG for example, and try again."


@define(eq=False)
class Pictures:
    """Stores pictures, a few at a time."""

    slots: anyio.CapacityLimiter = field(factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def keep(self, storage: Storage, file: File, use: Use = "face") -> str:
        """Store an uploaded picture; return its address. Raises BadValue, TooLarge, or Busy."""
        data = await read_at_most(file, LIMIT_BYTES, "Send a smaller picture.")
        return await self.paint(storage, data, use)

    async def paint(self, storage: Storage, data: bytes, use: Use = "face") -> str:
        """Re-encode and store a picture; return its address. Raises BadValue, or Busy."""
        if not data:
            raise BadValue("The file is empty.", "Choose a picture.", "file")
        if self.slots.statistics().tasks_waiting >= WAITING:
            raise Busy("Too many pictures are being read.", "Try again in a minute.")
        async with self.slots:
            made = await run(PAINTER, data, AGAIN, str(SIDES[use]))
        return ADDRESS + await storage.add_clip(made, "webp")


async def as_png(kept: bytes) -> bytes:
    """Return a stored picture, converted to PNG."""
    return await run(PAINTER, kept, AGAIN, "png")


async def picture(storage: Storage, key: str) -> bytes:
    """Return a stored picture. Raises NotFound, also for clips that are no pictures."""
    if not KEY.fullmatch(key):
        raise NotFound(f"There is no picture {key[:80]!r}.", "Look at what shows it.")
    return await storage.clip(key)


__all__ = ["ADDRESS", "LIMIT_BYTES", "Pictures", "TooLarge", "as_png", "picture"]
