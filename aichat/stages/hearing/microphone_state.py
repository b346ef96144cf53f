"""What the stage keeps of one microphone."""

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
"""A recogniser guesses a word's end when no more than this of it is missing."""
REPORT_SECONDS = 60.0
"""The same kind of trouble is reported no more often than this in a conversation."""
SYLLABLE_MS = 150
"""While there is no transcript, so much voice counts as a word."""


def ms(pcm_bytes: int) -> int:
    """Length of 16 kHz PCM16 in ms."""
    return pcm_bytes * 1000 // (2 * MIC_RATE)


def size(milliseconds: int) -> int:
    """Bytes of 16 kHz PCM16 of that length."""
    return milliseconds * 2 * MIC_RATE // 1000


@define
class MicrophoneState:
    """One conversation's microphone: what is being said, and how long it has been quiet."""

    vad: VadStream | None = None
    frame_bytes: int = 0
    deaf_for: int = 0
    pending: bytes = b""
    stumbled: bool = False
    """The detector has failed, and has judged no frame since."""
    trouble: Exception | None = None
    """What a detector failed with just now;"""
    reported: dict[str, float] = field(factory=dict)
    """and when each kind of it was last reported, on the bus clock."""
    before: deque[bytes] = field(factory=deque)
    said: bytearray = field(factory=bytearray)
    key: str = ""
    held: bool = False
    silent_bytes: int = 0
    speech_bytes: int = 0
    voiced: int = 0
    """Where in *said* the voice was last heard."""
    last_audio: float = 0.0
    voice_ended: float = 0.0
    over: anyio.Event = field(factory=anyio.Event)
    interims: list[anyio.CancelScope] = field(factory=list)
    """The live transcripts that are being made."""
    asked: int = 0
    """So many live transcripts were asked for of this utterance;"""
    came: int = 0
    """so many have come, one that failed not among them."""
    asked_at: int = 0
    """How much of the utterance the latest one that was asked for covers,"""
    covered: int = 0
    """and how much the newest one that has come."""
    words: Agreement = field(factory=Agreement)
    transcript: str = ""
    """The newest hypothesis."""
    pauses: PauseStats = field(factory=PauseStats)
    odds: EndpointOdds = field(factory=EndpointOdds)
    sound: float | None = None
    """How likely the user has finished, by the sound of it; None where nobody has judged that."""
    may_have_ended: bool = False
    """It was told that the user may have finished."""
    names: tuple[str, ...] = ()
    """Who may be addressed."""

    def is_news(self, error: Exception, now: float) -> bool:
        """Return whether a detector's trouble is to be reported: not each frame, nor each second."""
        kind = type(error).__name__
        if now < self.reported.get(kind, -math.inf) + REPORT_SECONDS:
            return False
        self.reported[kind] = now
        return True

    @property
    def is_open(self) -> bool:
        """An utterance has begun and not ended."""
        return bool(self.key)

    def is_still_in(self, pause: UtterancePaused) -> bool:
        """Nothing was said since, and the end is not decided."""
        return self.key == pause.key and self.voiced <= len(pause.pcm)

    @property
    def hypothesis(self) -> str:
        """The newest transcript if it may be all that was said, else nothing."""
        return self.transcript if self.voiced - self.covered <= size(COVERED_TO_MS) else ""

    def sign(self) -> Sign:
        """Say what speaks for an end just now."""
        looks = completeness.finished(self.transcript)
        return Sign(looks, ms(self.silent_bytes), self.sound, self.covered >= self.voiced)

    def pause(self) -> Pause:
        """Say what is known while the user is silent."""
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
