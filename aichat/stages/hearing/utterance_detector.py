"""Stage: microphone audio becomes utterances, utterances become text, text opens a turn.

Time is counted in samples of the microphone, so that a late packet is not a pause. The one clock
that is not the microphone's is the watchdog: when audio stops coming in mid-utterance, the
utterance ends.
"""

from __future__ import annotations

from collections import deque

import anyio
from attrs import define, field

from aichat.core import Bus, Overflow, Parts, hookimpl, new_id
from aichat.core.events import (
    MIC_RATE,
    AudioReceived,
    ConversationClosed,
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
from .local_agreement import Agreement
from .microphone_state import MicrophoneState, ms, size
from .transcription import AT_ONCE, Transcription

PRE_ROLL_MS = 320
"""Audio (ms) kept from before the first speech frame: detection is late, first syllables soft."""
INTERIM_EVERY_MS = 120
"""New voice (ms) after which an interim transcript is requested, once the last one has come."""
INTERIM_SOONER_MS = 60
"""New voice (ms) that suffices, with one still in flight, where words show the end early."""
SPECULATE_AFTER_MS = 40
"""Silence (ms) after which speculation may start."""
CUT_OFF_MS = 1_200
"""A user who speaks again within this time (ms) had not finished."""
LONGEST_MS = 60_000
"""Longest utterance (ms); a longer one is cut, so that a noisy room cannot fill the memory."""
STALL_SECONDS = 2.0
"""Timeout (s) without audio after which the utterance ends."""
RETRY_SAMPLES = MIC_RATE
"""Samples of audio between two attempts to get a detector while none is ready."""
PLAIN_END_MS = 800
"""Silence (ms) that ends a turn while the turn detector fails."""


@define
class Hearing:
    """Finds the utterances in the microphone audio of each conversation."""

    bus: Bus
    parts: Parts
    barge_in: BargeInDetector
    transcription: Transcription = field(init=False)
    microphones: dict[str, MicrophoneState] = field(factory=dict)

    def microphone(self, conversation: str) -> MicrophoneState:
        """Return the state of the conversation's microphone."""
        if (mic := self.microphones.get(conversation)) is None:
            mic = self.microphones[conversation] = MicrophoneState()
        return mic

    # -- audio in, by tap --------------------------------------------------------------------

    def hear(self, event: AudioReceived) -> None:
        """Cut the audio into the detector's frames and find where speech begins and ends."""
        conversation, pcm = event.turn.conversation, event.pcm
        mic = self.microphones.get(conversation) or self.microphone(conversation)
        mic.last_audio = self.bus.clock.now()
        try:
            if mic.vad is not None or self._listen(mic, len(pcm) // 2):
                self._take(conversation, mic, pcm)
        except Exception as error:
            self._stumble(conversation, mic)
            mic.trouble = error
        trouble, mic.trouble = mic.trouble, None
        if trouble and mic.is_news(trouble, mic.last_audio):
            raise trouble

    def _take(self, conversation: str, mic: MicrophoneState, pcm: bytes) -> None:
        if len(pcm) == mic.frame_bytes and not mic.pending:  # most often
            self._frame(conversation, mic, pcm)
        else:
            pcm = mic.pending + pcm
            end = len(pcm) - len(pcm) % mic.frame_bytes
            mic.pending = pcm[end:]
            for at in range(0, end, mic.frame_bytes):
                self._frame(conversation, mic, pcm[at : at + mic.frame_bytes])
        mic.stumbled = False

    def _stumble(self, conversation: str, mic: MicrophoneState) -> None:
        """Try the detector again in a second; end what is being said if that has failed as well."""
        mic.vad, mic.deaf_for = None, RETRY_SAMPLES
        if mic.stumbled and mic.is_open:
            self._end(conversation, mic)
        mic.stumbled = True

    def hold(self, event: TalkHeld) -> None:
        """Begin an utterance that only the user ends."""
        mic = self.microphone(event.turn.conversation)
        mic.held = True

    def release(self, event: TalkReleased) -> None:
        """End the utterance now."""
        mic = self.microphone(event.turn.conversation)
        mic.held = False
        if mic.is_open:
            self._end(event.turn.conversation, mic)
        else:  # nothing was said: the page stops waiting for words
            self.bus.post(UtteranceHeard(event.turn, "", b""))

    def _listen(self, mic: MicrophoneState, samples: int) -> bool:
        """Get a voice activity detector; try once a second while there is none."""
        mic.deaf_for -= samples
        if mic.deaf_for > 0:
            return False
        vad = self.parts.vad
        mic.vad, mic.frame_bytes = vad.stream(), 2 * vad.frame_samples
        mic.before = deque(maxlen=max(1, size(PRE_ROLL_MS) // mic.frame_bytes))
        return True

    def _frame(self, conversation: str, mic: MicrophoneState, frame: bytes) -> None:
        assert mic.vad is not None  # noqa: S101  (set by _listen)
        speech = mic.vad.is_speech(frame)
        if not mic.key:
            if not speech:
                mic.before.append(frame)
                return
            self._begin(conversation, mic)
        mic.said += frame
        if speech:
            mic.voiced = len(mic.said)
            self._speech(conversation, mic, len(frame))
        else:
            self._silence(conversation, mic, len(frame))
        if mic.is_open and ms(len(mic.said)) >= LONGEST_MS:
            self._end(conversation, mic)
        elif mic.is_open and self._wants_interim(mic):
            self._ask(conversation, mic)

    def _begin(self, conversation: str, mic: MicrophoneState) -> None:
        mic.key, mic.said = new_id(), bytearray(b"".join(mic.before))
        mic.before.clear()
        self._note_cut_off(conversation, mic)
        mic.silent_bytes = mic.speech_bytes = 0
        mic.sound, mic.may_have_ended = None, False
        mic.transcript, mic.words = "", Agreement()
        mic.asked_at, mic.covered = len(mic.said), 0
        mic.asked = mic.came = 0
        mic.over = anyio.Event()
        self.bus.post(UserStartedSpeaking(self.bus.turn(conversation)))

    def _note_cut_off(self, conversation: str, mic: MicrophoneState) -> None:
        """Learn from a turn that was begun too early: the user goes straight on."""
        silence_ms = round(1000 * (self.bus.clock.now() - mic.voice_ended))
        if silence_ms <= CUT_OFF_MS and self.bus.live_turn(conversation):
            mic.pauses.note(silence_ms)

    def _speech(self, conversation: str, mic: MicrophoneState, size: int) -> None:
        turn = self.bus.turn(conversation)
        if mic.silent_bytes:
            self.bus.post(UserResumed(turn))
        mic.silent_bytes = 0
        mic.speech_bytes += size
        if live := self.bus.live_turn(conversation):
            self.barge_in.voice(live, ms(mic.speech_bytes), mic.transcript, held=mic.held)

    def _silence(self, conversation: str, mic: MicrophoneState, size: int) -> None:
        if not mic.silent_bytes:
            mic.voice_ended = self.bus.clock.now()
            self.bus.post(UserPaused(self.bus.turn(conversation)))
        mic.silent_bytes += size
        if mic.held:
            return
        if self._is_over(mic):
            self._end(conversation, mic)
        elif not mic.may_have_ended and ms(mic.silent_bytes) >= SPECULATE_AFTER_MS:
            mic.may_have_ended = True
            turn = self.bus.turn(conversation)
            self.bus.post(UtterancePaused(turn, mic.key, bytes(mic.said)))

    def _is_over(self, mic: MicrophoneState) -> bool:
        """Return whether the turn detector ends the turn; while it fails, a plain silence does."""
        pause = mic.pause()
        try:
            return bool(self.parts.turn.is_over(pause))
        except Exception as error:
            mic.trouble = error  # reported when the frame is done with
            return pause.silence_ms >= PLAIN_END_MS

    def resume(self, event: UserResumed) -> None:
        """It was a pause, not the end: learn from it."""
        mic = self.microphone(event.turn.conversation)
        mic.pauses.note(ms(mic.silent_bytes))
        mic.sound, mic.may_have_ended = None, False

    def _wants_interim(self, mic: MicrophoneState) -> bool:
        """Return whether there is enough new voice, and not too many interims in flight."""
        on_their_way, new = mic.asked - mic.came, len(mic.said) - mic.asked_at
        if mic.voiced <= mic.asked_at or new < size(INTERIM_SOONER_MS):
            return False
        if not on_their_way:
            return new >= size(INTERIM_EVERY_MS)
        return on_their_way < AT_ONCE and mic.odds.shows_early and self.transcription.may_overlap()

    def _ask(self, conversation: str, mic: MicrophoneState) -> None:
        turn = self.bus.turn(conversation)
        self.bus.post(InterimAudio(turn, mic.key, bytes(mic.said), mic.asked))
        mic.asked_at = len(mic.said)
        mic.asked += 1

    def _end(self, conversation: str, mic: MicrophoneState) -> None:
        if not mic.silent_bytes:
            mic.voice_ended = self.bus.clock.now()
        turn, key, pcm = self.bus.turn(conversation), mic.key, bytes(mic.said)
        mic.key, mic.said = "", bytearray()
        mic.over.set()
        for interim in mic.interims:
            interim.cancel()  # the final transcript replaces it
        self.bus.post(UtteranceHeard(turn, key, pcm, mic.voice_ended))

    # -- in lanes ----------------------------------------------------------------------------

    async def watch(self, event: UserStartedSpeaking) -> None:
        """End an utterance whose audio stopped coming."""
        conversation = event.turn.conversation
        mic = self.microphone(conversation)
        over = mic.over
        while not over.is_set():
            with anyio.move_on_after(mic.last_audio + STALL_SECONDS - self.bus.clock.now()):
                await over.wait()
            stalled = self.bus.clock.now() >= mic.last_audio + STALL_SECONDS
            if stalled and not over.is_set():
                mic.held = False
                self._end(conversation, mic)

    def close(self, event: ConversationClosed) -> None:
        """Drop the state of the conversation's microphone."""
        if (mic := self.microphones.pop(event.turn.conversation, None)) is not None:
            mic.over.set()


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Listen to microphones."""
    barge_in = BargeInDetector(bus, parts)
    barge_in.listen()
    hearing = Hearing(bus, parts, barge_in)
    hearing.transcription = transcription = Transcription(bus, parts, hearing.microphone, barge_in)
    bus.tap(hearing.hear)
    bus.tap(hearing.hold)
    bus.tap(hearing.release)
    bus.tap(transcription.resume)
    bus.tap(hearing.resume)
    bus.tap(transcription.close)
    bus.tap(hearing.close)
    bus.subscribe(hearing.watch)
    bus.subscribe(transcription.meet, overflow=Overflow.COALESCE)
    bus.subscribe(
        transcription.transcribe_interim,
        overflow=Overflow.COALESCE,
        lane_by=lambda event: event.number % AT_ONCE,
    )
    bus.subscribe(transcription.expect, overflow=Overflow.COALESCE)
    bus.subscribe(transcription.judge, overflow=Overflow.COALESCE)
    bus.subscribe(transcription.write_down)
