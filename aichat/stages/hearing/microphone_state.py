"""The state of each conversation's microphone: its voice detector, its user, their utterances."""

from __future__ import annotations

import math
from collections import deque

from attrs import define, field

from aichat.core import PerConversation, VadStream

from .endpoint_probability import EndpointEstimator
from .pause_stats import PauseStats
from .spoken_message import SpokenMessage
from .utterance_state import UtteranceState

REPORT_SECONDS = 60.0
"""Seconds between two reports of the same kind of error in a conversation."""


@define
class MicrophoneState:
    """What outlasts the utterances that are spoken into one conversation's microphone."""

    vad: VadStream | None = None
    frame_bytes: int = 0
    retry_in: int = 0
    """Samples until the next attempt to get a detector while none is ready."""
    pending: bytes = b""
    """Audio that does not fill a frame of the detector yet."""
    pre_roll: deque[bytes] = field(factory=deque)
    """The latest frames before an utterance."""
    vad_failed: bool = False
    """The detector has failed, and has judged no frame since."""
    error: Exception | None = None
    """The error that a detector has just raised;"""
    reported: dict[str, float] = field(factory=dict)
    """when each kind of error was last reported, in seconds of the bus clock."""
    last_audio: float = 0.0
    voice_ended: float = 0.0
    """When the latest utterance's voice ended, in seconds of the bus clock."""
    is_talk_held: bool = False
    """Push-to-talk is held."""

    pause_stats: PauseStats = field(factory=PauseStats)
    estimator: EndpointEstimator = field(factory=EndpointEstimator)
    hotwords: tuple[str, ...] = ()
    """Names of the cast, which the recogniser should expect."""
    languages: tuple[str, ...] = ()
    """Languages that the user is likely to speak."""
    foreign: int = 0
    """Utterances in a row that seem to be in another language than the recogniser writes."""
    was_advised: bool = False
    """The user was sent an advice on that."""

    spoken: SpokenMessage | None = None
    """The user's latest message, if it was spoken."""
    utterance: UtteranceState | None = None
    """What the user is saying now."""
    utterances: dict[str, UtteranceState] = field(factory=dict)
    """By key, in order, those whose final transcript has not been dealt with."""

    def begin(self, conversation: str) -> UtteranceState:
        """Begin an utterance with what came just before it."""
        utterance = UtteranceState(conversation, bytearray(b"".join(self.pre_roll)))
        self.pre_roll.clear()
        self.utterance = self.utterances[utterance.key] = utterance
        return utterance

    def settle(self, utterance: UtteranceState) -> None:
        """Drop an utterance whose final transcript has been dealt with."""
        self.utterances.pop(utterance.key, None)

    def is_next(self, utterance: UtteranceState) -> bool:
        """Return whether no earlier utterance may still open a turn."""
        return next(iter(self.utterances.values()), None) is utterance

    def should_report(self, error: Exception, now: float) -> bool:
        """Return whether a detector's error is to be reported: not each frame, nor each second."""
        kind = type(error).__name__
        if now < self.reported.get(kind, -math.inf) + REPORT_SECONDS:
            return False
        self.reported[kind] = now
        return True


@define
class Microphones:
    """The microphones of all conversations."""

    by_conversation: PerConversation[MicrophoneState]

    def get(self, conversation: str) -> MicrophoneState | None:
        """Return a conversation's microphone, if it has been used."""
        return self.by_conversation.get(conversation)

    def of(self, conversation: str) -> MicrophoneState:
        """Return a conversation's microphone, a new one if it has not been used."""
        return self.by_conversation.of(conversation)

    def utterance(self, conversation: str, key: str) -> UtteranceState | None:
        """Return an utterance that is not settled; none of a conversation that was closed."""
        mic = self.by_conversation.get(conversation)
        return mic.utterances.get(key) if mic else None

    def close(self, conversation: str) -> list[UtteranceState]:
        """Drop a conversation's microphone; return its utterances that are not settled."""
        mic = self.by_conversation.pop(conversation)
        return list(mic.utterances.values()) if mic else []
