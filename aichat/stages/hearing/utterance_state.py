"""The state of one conversation's microphone."""

from __future__ import annotations

import math
from collections import deque

import anyio
from attrs import define, field

from aichat.core import Pause, VadStream
from aichat.core.events import MIC_RATE, UtterancePaused

from . import completeness
from .endpoint_odds import EndpointOdds, Sign
from .local_agreement import Agreement
from .pause_stats import PauseStats

COVERED_TO_MS = 200
"""Audio (ms) that a transcript may lack: recognisers complete a word that is nearly whole."""
REPORT_SECONDS = 60.0
"""Seconds between two reports of the same kind of error in a conversation."""
SYLLABLE_MS = 150
"""Voice (ms) that counts as a word while there is no transcript."""


def ms(pcm_bytes: int) -> int:
    """Return the length of 16 kHz PCM16 in ms."""
    return pcm_bytes * 1000 // (2 * MIC_RATE)


def size(milliseconds: int) -> int:
    """Return the bytes of 16 kHz PCM16 of that length."""
    return milliseconds * 2 * MIC_RATE // 1000


@define
class MicrophoneState:
    """What is being said into one conversation's microphone, and how long it has been quiet."""

    vad: VadStream | None = None
    frame_bytes: int = 0
    deaf_for: int = 0
    pending: bytes = b""
    stumbled: bool = False
    """The detector has failed, and has judged no frame since."""
    trouble: Exception | None = None
    """The error that a detector has just raised;"""
    reported: dict[str, float] = field(factory=dict)
    """when each kind of error was last reported, in seconds of the bus clock."""
    before: deque[bytes] = field(factory=deque)
    said: bytearray = field(factory=bytearray)
    key: str = ""
    held: bool = False
    silent_bytes: int = 0
    speech_bytes: int = 0
    voiced: int = 0
    """Byte in *said* up to which there was voice."""
    last_audio: float = 0.0
    voice_ended: float = 0.0
    over: anyio.Event = field(factory=anyio.Event)
    interims: list[anyio.CancelScope] = field(factory=list)
    """Cancel scopes of the interim transcripts in flight."""
    asked: int = 0
    """Interim transcripts requested of this utterance."""
    came: int = 0
    """Interim transcripts received; one that failed does not count."""
    asked_at: int = 0
    """Bytes of the utterance that the latest requested interim transcript covers."""
    covered: int = 0
    """Bytes that the newest received one covers."""
    words: Agreement = field(factory=Agreement)
    transcript: str = ""
    """The newest hypothesis."""
    pauses: PauseStats = field(factory=PauseStats)
    odds: EndpointOdds = field(factory=EndpointOdds)
    sound: float | None = None
    """Endpoint probability by sound; None where no detector has judged it."""
    may_have_ended: bool = False
    """``UtterancePaused`` was published for this pause."""
    names: tuple[str, ...] = ()
    """Names of the cast, which the recogniser should expect."""

    def is_news(self, error: Exception, now: float) -> bool:
        """Return whether a detector's error is to be reported: not each frame, nor each second."""
        kind = type(error).__name__
        if now < self.reported.get(kind, -math.inf) + REPORT_SECONDS:
            return False
        self.reported[kind] = now
        return True

    @property
    def is_open(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return bool(self.key)

    def is_still_in(self, pause: UtterancePaused) -> bool:
        """Return whether the pause lasts: nothing was said since, and the end is not decided."""
        return self.key == pause.key and self.voiced <= len(pause.pcm)

    @property
    def hypothesis(self) -> str:
        """The newest transcript if it may be all that was said, else nothing."""
        return self.transcript if self.voiced - self.covered <= size(COVERED_TO_MS) else ""

    def sign(self) -> Sign:
        """Return the current evidence that the utterance is over."""
        looks = completeness.finished(self.transcript)
        return Sign(looks, ms(self.silent_bytes), self.sound, self.covered >= self.voiced)

    def pause(self) -> Pause:
        """Return what the turn detector needs while the user is silent."""
        text = self.transcript
        return Pause(
            silence_ms=ms(self.silent_bytes),
            speech_ms=ms(len(self.said)),
            transcript=text,
            has_words=self._has_words(),
            finished=completeness.fused(completeness.finished(text), self.sound),
            usual_ms=self.pauses.usual_ms,
        )

    def _has_words(self) -> bool:
        if self.words.latest or self.covered >= self.voiced:  # it was listened to
            return completeness.has_words(self.transcript)
        return ms(self.speech_bytes) >= SYLLABLE_MS
