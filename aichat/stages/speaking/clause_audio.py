"""One clause's audio on its way out: at 24 kHz, in pieces that are no smaller than needed."""

from __future__ import annotations

import numpy as np
import soxr
from attrs import Factory, define, field

from aichat.core import Bus, CooperativeYield
from aichat.core.events import SPEAKER_RATE, ReplyClause, SpeechSynthesized, SpokenWord

from .speech_cache import Piece

LONG_SECONDS = 10.0
PIECE_SECONDS = 0.3
"""Audio that is well ahead of the loudspeaker is passed on in pieces of this length."""


class Resampler:
    """Brings one clause's audio to 24 kHz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._stream = (
            None
            if rate == SPEAKER_RATE
            else soxr.ResampleStream(rate, SPEAKER_RATE, 1, dtype="int16", quality="MQ")
        )

    def convert(self, pcm: bytes, last: bool = False) -> bytes:
        """Return the audio that *pcm* makes available; *last* flushes the filter."""
        if self._stream is None:
            return pcm
        samples = np.frombuffer(pcm, np.int16)
        return bytes(self._stream.resample_chunk(samples, last=last).tobytes())

    def position(self, sample: int) -> int:
        """Return where the engine's *sample* is at 24 kHz."""
        return sample * SPEAKER_RATE // self._rate


@define
class ClauseAudio:
    """One clause on its way out; word marks wait for the next audio."""

    bus: Bus
    event: ReplyClause
    breath: CooperativeYield = field(
        default=Factory(lambda self: CooperativeYield(self.bus.clock), takes_self=True)
    )
    words: list[SpokenWord] = field(factory=list)
    samples: int = 0
    """Samples that were published,"""
    began: float = 0.0
    """and when the first of it was, on the bus clock."""
    held: bytearray = field(factory=bytearray)
    pieces: list[Piece] = field(factory=list)
    """What was published."""

    @property
    def is_long(self) -> bool:
        """Whether it is long enough for back-pressure while it is spoken."""
        return self.samples > LONG_SECONDS * SPEAKER_RATE

    def add(self, pcm: bytes) -> bool:
        """Take in audio; return whether it is to be published now.

        It is gathered while the loudspeaker has enough to play meanwhile.
        """
        self.held += pcm
        return bool(self.held) and len(self.held) >= self._ahead()

    def _ahead(self) -> float:
        """Half of what was published and cannot have been played, up to one piece: bytes."""
        if not self.samples:
            return 0
        ahead = self.samples / SPEAKER_RATE - (self.bus.clock.now() - self.began)
        return 2 * SPEAKER_RATE * min(ahead / 2, PIECE_SECONDS)

    async def flush(self) -> None:
        """Publish what is held, with the marks that came before it."""
        if self.held:
            pcm, self.held = bytes(self.held), bytearray()
            words, self.words = tuple(self.words), []
            if not self.samples:
                self.began = self.bus.clock.now()
            self.samples += len(pcm) // 2
            self.pieces.append((pcm, words))
            line, index = self.event.line, self.event.index
            await self.bus.publish(SpeechSynthesized(line, index, pcm, False, words))
