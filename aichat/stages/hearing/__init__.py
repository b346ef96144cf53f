"""Stage: microphone audio becomes utterances, utterances become text, text opens a turn.

The events go one way: the utterance detector publishes what was said, the transcription answers
with text. What both know of an utterance stands in its state.
"""

from __future__ import annotations

from aichat.core import Bus, Overflow, Parts, hookimpl

from .barge_in import BargeInDetector
from .joined_utterances import JoinedUtterances
from .microphone_state import Microphones, MicrophoneState
from .recognisers import Recognisers
from .sound_endpoint import SoundJudgement
from .speculation import Speculation
from .transcription import Transcription
from .utterance_detector import MAX_INTERIMS, UtteranceDetector


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Listen to microphones."""
    microphones = Microphones(bus.per_conversation(MicrophoneState))
    barge_in = BargeInDetector(bus, parts)
    recognisers = Recognisers(bus, parts)
    joined = JoinedUtterances(bus, microphones)
    speculation = Speculation(bus, parts, microphones, joined)
    transcription = Transcription(bus, parts, microphones, barge_in, recognisers, speculation)
    judgement = SoundJudgement(bus, parts, microphones, speculation)
    detector = UtteranceDetector(
        bus, parts, microphones, barge_in, transcription.may_overlap, transcription.note_languages
    )
    barge_in.subscribe()
    joined.subscribe()
    bus.tap(detector.detect)
    bus.tap(detector.hold_talk)
    bus.tap(detector.release_talk)
    bus.tap(transcription.revoke_on_resume)
    bus.tap(transcription.close)
    bus.subscribe(detector.end_when_stalled)
    bus.subscribe(transcription.look_up_hotwords, overflow=Overflow.COALESCE)
    bus.subscribe(
        transcription.transcribe_interim,
        overflow=Overflow.COALESCE,
        lane_by=lambda event: event.number % MAX_INTERIMS,
    )
    bus.subscribe(transcription.transcribe_early, overflow=Overflow.COALESCE)
    bus.subscribe(judgement.judge, overflow=Overflow.COALESCE)
    bus.subscribe(transcription.transcribe_final)
