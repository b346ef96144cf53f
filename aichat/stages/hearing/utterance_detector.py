"""Finds utterances in microphone audio: where one begins, pauses, goes on and ends.

Time is counted in samples of the microphone, so that a late packet is not a pause. The one clock
that is not the microphone's is the watchdog: when audio stops coming in mid-utterance, the
utterance ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
from attrs import define

from aichat.core import Bus, Parts
from aichat.core.events import (
    MIC_RATE,
    AudioReceived,
    InterimAudio,
    TalkHeld,
    TalkReleased,
    UserPaused,
    UserResumed,
    UserStartedSpeaking,
    UtteranceHeard,
    UtterancePaused,
)

from .barge_in import BargeInDetector
from .microphone_state import Microphones, MicrophoneState
from .utterance_state import UtteranceState, duration_ms, pcm_size

MAX_INTERIMS = 2
"""Most interim transcripts of one utterance in flight, where the recogniser has room."""
PRE_ROLL_MS = 320
"""Audio (ms) kept from before the first speech frame: detection is late, first syllables soft."""
INTERIM_EVERY_MS = 120
"""New voice (ms) after which an interim transcript is requested, once the last one has come."""
OVERLAPPING_INTERIM_MS = 60
"""New voice (ms) that suffices, with one still in flight, where words show the end early."""
SPECULATE_AFTER_MS = 40
"""Silence (ms) after which speculation may start."""
CUT_OFF_MS = 1_200
"""A user who speaks again within this time (ms) had not finished."""
MAX_UTTERANCE_MS = 60_000
"""Longest utterance (ms); a longer one is cut, so that a noisy room cannot fill the memory."""
STALL_SECONDS = 2.0
"""Timeout (s) without audio after which the utterance ends."""
VAD_RETRY_SAMPLES = MIC_RATE
"""Samples of audio between two attempts to get a detector while none is ready."""
FALLBACK_END_MS = 800
"""Silence (ms) that ends a turn while the turn detector fails."""


@define
class UtteranceDetector:
    """Finds the utterances in the microphone audio of each conversation."""

    bus: Bus
    parts: Parts
    microphones: Microphones
    barge_in: BargeInDetector
    may_overlap: Callable[[], bool]
    """Whether an interim transcript may be requested while another is in flight."""
    note_languages: Callable[[MicrophoneState, tuple[str, ...]], None]
    """Called when the microphone's user is another than before, or the first."""

    # -- audio in, by tap --------------------------------------------------------------------

    def detect(self, event: AudioReceived) -> None:
        """Cut the audio into the detector's frames and find where speech begins and ends."""
        conversation, pcm = event.turn.conversation, event.pcm
        mic = self.microphones.of(conversation)
        mic.last_audio = self.bus.clock.now()
        if event.languages != mic.languages:
            self.note_languages(mic, event.languages)
        try:
            if mic.vad is not None or self._open_vad(mic, len(pcm) // 2):
                self._split_into_frames(conversation, mic, pcm)
        except Exception as error:
            self._note_vad_failure(mic)
            mic.error = error
        failure, mic.error = mic.error, None
        if failure and mic.should_report(failure, mic.last_audio):
            raise failure

    def _split_into_frames(self, conversation: str, mic: MicrophoneState, pcm: bytes) -> None:
        if len(pcm) == mic.frame_bytes and not mic.pending:  # most often
            self._process_frame(conversation, mic, pcm)
        else:
            pcm = mic.pending + pcm
            end = len(pcm) - len(pcm) % mic.frame_bytes
            mic.pending = pcm[end:]
            for at in range(0, end, mic.frame_bytes):
                self._process_frame(conversation, mic, pcm[at : at + mic.frame_bytes])
        mic.vad_failed = False

    def _note_vad_failure(self, mic: MicrophoneState) -> None:
        """Try the detector again in a second; end what is being said if that has failed as well."""
        mic.vad, mic.retry_in = None, VAD_RETRY_SAMPLES
        if mic.vad_failed and mic.utterance:
            self._end_utterance(mic, mic.utterance)
        mic.vad_failed = True

    def hold_talk(self, event: TalkHeld) -> None:
        """Begin an utterance that only the user ends."""
        self.microphones.of(event.turn.conversation).is_talk_held = True

    def release_talk(self, event: TalkReleased) -> None:
        """End the utterance now."""
        mic = self.microphones.of(event.turn.conversation)
        mic.is_talk_held = False
        if mic.utterance:
            self._end_utterance(mic, mic.utterance)
        else:  # nothing was said: the page stops waiting for words
            self.bus.post(UtteranceHeard(event.turn, "", b""))

    def _open_vad(self, mic: MicrophoneState, samples: int) -> bool:
        """Get a voice activity detector; try once a second while there is none."""
        mic.retry_in -= samples
        if mic.retry_in > 0:
            return False
        vad = self.parts.vad
        mic.vad, mic.frame_bytes = vad.stream(), 2 * vad.frame_samples
        mic.pre_roll = deque(maxlen=max(1, pcm_size(PRE_ROLL_MS) // mic.frame_bytes))
        return True

    def _process_frame(self, conversation: str, mic: MicrophoneState, frame: bytes) -> None:
        assert mic.vad is not None  # noqa: S101  (set by _open_vad)
        speech = mic.vad.is_speech(frame)
        if (utterance := mic.utterance) is None:
            if not speech:
                mic.pre_roll.append(frame)
                return
            utterance = self._begin_utterance(conversation, mic)
        if speech:
            self._add_voice(mic, utterance, frame)
        else:
            self._add_silence(mic, utterance, frame)
        if not utterance.is_over:
            if duration_ms(len(utterance.pcm)) >= MAX_UTTERANCE_MS:
                self._end_utterance(mic, utterance)
            elif self._wants_interim(mic, utterance):
                self._request_interim(utterance)

    def _begin_utterance(self, conversation: str, mic: MicrophoneState) -> UtteranceState:
        utterance = mic.begin(conversation)
        self._learn_from_cut_off(conversation, mic)
        self.bus.post(UserStartedSpeaking(self.bus.turn(conversation)))
        return utterance

    def _learn_from_cut_off(self, conversation: str, mic: MicrophoneState) -> None:
        """Learn from a turn that was begun too early: the user goes straight on."""
        silence_ms = round(1000 * (self.bus.clock.now() - mic.voice_ended))
        if silence_ms <= CUT_OFF_MS and self.bus.live_turn(conversation):
            mic.pause_stats.add(silence_ms)

    def _add_voice(self, mic: MicrophoneState, utterance: UtteranceState, frame: bytes) -> None:
        if utterance.silent_bytes:  # it was a pause, not the end: learn from it
            mic.pause_stats.add(utterance.silence_ms)
            self.bus.post(UserResumed(self.bus.turn(utterance.conversation)))
        utterance.add_voice(frame)
        if live := self.bus.live_turn(utterance.conversation):
            speech_ms = duration_ms(utterance.voice_bytes)
            self.barge_in.heard_voice(live, speech_ms, utterance.transcript, held=mic.is_talk_held)

    def _add_silence(self, mic: MicrophoneState, utterance: UtteranceState, frame: bytes) -> None:
        if not utterance.silent_bytes:
            mic.voice_ended = self.bus.clock.now()
            self.bus.post(UserPaused(self.bus.turn(utterance.conversation)))
        utterance.add_silence(frame)
        if mic.is_talk_held:
            return
        if self._is_over(mic, utterance):
            self._end_utterance(mic, utterance)
        elif not utterance.pause_published and utterance.silence_ms >= SPECULATE_AFTER_MS:
            utterance.pause_published = True
            turn = self.bus.turn(utterance.conversation)
            self.bus.post(UtterancePaused(turn, utterance.key, bytes(utterance.pcm)))

    def _is_over(self, mic: MicrophoneState, utterance: UtteranceState) -> bool:
        """Return whether the turn detector ends the turn; while it fails, a plain silence does."""
        pause = utterance.pause(mic.pause_stats.usual_ms)
        try:
            return bool(self.parts.turn.is_over(pause))
        except Exception as error:
            mic.error = error  # reported when the frame is done with
            return pause.silence_ms >= FALLBACK_END_MS

    def _wants_interim(self, mic: MicrophoneState, utterance: UtteranceState) -> bool:
        """Return whether there is enough new voice, and not too many interims in flight."""
        in_flight = utterance.requested - utterance.received
        new = len(utterance.pcm) - utterance.requested_to
        if utterance.voiced_to <= utterance.requested_to or new < pcm_size(OVERLAPPING_INTERIM_MS):
            return False
        if not in_flight:
            return new >= pcm_size(INTERIM_EVERY_MS)
        return in_flight < MAX_INTERIMS and mic.estimator.shows_early and self.may_overlap()

    def _request_interim(self, utterance: UtteranceState) -> None:
        turn, pcm = self.bus.turn(utterance.conversation), bytes(utterance.pcm)
        self.bus.post(InterimAudio(turn, utterance.key, pcm, utterance.requested))
        utterance.requested_to = len(pcm)
        utterance.requested += 1

    def _end_utterance(self, mic: MicrophoneState, utterance: UtteranceState) -> None:
        if not utterance.silent_bytes:
            mic.voice_ended = self.bus.clock.now()
        mic.utterance = None
        turn, pcm = self.bus.turn(utterance.conversation), utterance.end()
        self.bus.post(UtteranceHeard(turn, utterance.key, pcm, mic.voice_ended))

    # -- in a lane ---------------------------------------------------------------------------

    async def end_when_stalled(self, event: UserStartedSpeaking) -> None:
        """End an utterance whose audio stopped coming."""
        mic = self.microphones.get(event.turn.conversation)
        while mic and (utterance := mic.utterance) and not utterance.is_over:
            with anyio.move_on_after(mic.last_audio + STALL_SECONDS - self.bus.clock.now()):
                await utterance.ended.wait()
            stalled = self.bus.clock.now() >= mic.last_audio + STALL_SECONDS
            if stalled and not utterance.is_over:
                mic.is_talk_held = False
                self._end_utterance(mic, utterance)
