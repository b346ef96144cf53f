"""From frames of codes to sound, while the frames still come.

The codec looks at 10 frames on either side. So each chunk is decoded with as many before it, and
with as many after it as its turn in the plan waits for: the first sound shall not wait for any, and
from the seventh chunk on, after 0.76 s, no sample differs from a decode of the whole by more than
1e-6. Where two chunks meet, the first goes over into the second within 5 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, field

from .layout import Frame

BEHIND = 10
"""Frames before a chunk that shape it; more change nothing."""
EXACT = 10
"""Frames after a chunk that shape it."""
FADE = 120
"""Samples, 5 ms."""

Wave = npt.NDArray[np.float32]
"""Samples from -1 to 1, at 24 kHz."""
Plan = Sequence[tuple[int, int]]
"""For each chunk, the last one for all that follow: its frames, and how many more it waits for."""
SOON: Plan = ((1, 0), (1, 1), (2, 1), (3, 2), (5, 3), (7, 6), (10, EXACT), (12, EXACT))
"""The first sound after one frame; and while a frame is made in half of its time or less, each
chunk is there before the one before it was heard. So the waits grow as fast as that allows."""


def waiting_for(frames: int) -> Plan:
    """Return a plan in which every chunk waits for *frames*: the more, the truer."""
    return [(size, frames) for size, _ in SOON]


@define
class Sounding:
    """The sound of one piece of speech. *codec* decodes (1, books, frames); *hop* samples each."""

    codec: Any
    hop: int
    plan: Plan = SOON
    frames: list[Frame] = field(factory=list)
    _made: int = 0
    """Frames that were decoded for good, but for the last 5 ms,"""
    _chunks: int = 0
    """the chunks that they made,"""
    _tail: Wave | None = None
    """and how those 5 ms sounded: float samples."""

    def add(self, frame: Frame) -> Iterator[Wave]:
        """Take in a frame; yield the chunk that it makes possible, if any."""
        self.frames.append(frame)
        size, waits = self.plan[min(self._chunks, len(self.plan) - 1)]
        if len(self.frames) >= self._made + size + waits:
            yield self._chunk(self._made + size)

    def rest(self) -> Iterator[Wave]:
        """Yield what is left when no frame follows."""
        if self.frames and (self._tail is not None or self._made < len(self.frames)):
            yield self._chunk(len(self.frames), last=True)

    def _chunk(self, end: int, last: bool = False) -> Wave:
        begin = max(0, self._made * self.hop - (FADE if self._tail is not None else 0))
        first = max(0, self._made - 1 - BEHIND)
        wave = self._decoded(self.frames[first : end + EXACT])
        wave = wave[begin - first * self.hop : end * self.hop - first * self.hop]
        if self._tail is not None:
            wave[:FADE] = _faded(self._tail, wave[:FADE])
        if not last:
            wave, self._tail = wave[:-FADE], wave[-FADE:]
        self._made, self._chunks = end, self._chunks + 1
        return wave

    def _decoded(self, frames: Sequence[Frame]) -> Wave:
        codes = torch.tensor(frames, device=self.codec.device).T[None]
        with torch.inference_mode():
            wave: Wave = self.codec.decode(codes).audio_values[0, 0].float().cpu().numpy()
        return wave


def _faded(before: Wave, after: Wave) -> Wave:
    """Go over from one sound into the other."""
    share = np.linspace(0, 1, len(after), endpoint=False, dtype=np.float32)
    faded: Wave = before[: len(after)] * (1 - share) + after * share
    return faded


def pcm(wave: Wave) -> bytes:
    """Write floats from -1 to 1 as PCM16."""
    samples = np.nan_to_num(wave, nan=0.0, posinf=1.0, neginf=-1.0)
    written: bytes = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    return written
