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

from .barge_in import Gate
from .local_agreement import Agreement
from .microphone_state import Ear, ms, size
from .transcription import AT_ONCE, Writing

PRE_ROLL_MS = 320
"""So much audio before the first speech frame is kept: detection is late, first syllables soft."""
GUESS_MS = 120
"""A live transcript is asked for after each such stretch of voice, once the last one has come."""
SOONER_MS = 60
"""After such a stretch where the end of a turn shows in the words: while the last is on its way."""
PROBABLE_MS = 40
"""After so much silence the user may have finished."""
CUT_OFF_MS = 1_200
"""Who speaks again so soon had not finished."""
LONGEST_MS = 60_000
"""An utterance is cut here, so that a noisy room cannot fill the memory."""
STALL_SECONDS = 2.0
"""Audio that stops coming for so long ends the utterance."""
RETRY_SAMPLES = MIC_RATE
"""While no detector serves, ask again after so much audio."""
PLAIN_END_MS = 800
"""So much silence ends a turn while the turn detector fails."""


@define
class Hearing:
    """Keeps one ear on each conversation."""

    bus: Bus
    parts: Parts
    gate: Gate
    writing: Writing = field(init=False)
    ears: dict[str, Ear] = field(factory=dict)

    def ear(self, conversation: str) -> Ear:
        """Return the conversation's ear."""
        if (ear := self.ears.get(conversation)) is None:
            ear = self.ears[conversation] = Ear()
        return ear

    # -- audio in, by tap --------------------------------------------------------------------

    def hear(self, event: AudioReceived) -> None:
        """Cut the audio into the detector's frames and find where speech begins and ends."""
        conversation, pcm = event.turn.conversation, event.pcm
        ear = self.ears.get(conversation) or self.ear(conversation)
        ear.last_audio = self.bus.clock.now()
        try:
            if ear.vad is not None or self._listen(ear, len(pcm) // 2):
                self._take(conversation, ear, pcm)
        except Exception as error:
            self._stumble(conversation, ear)
            ear.trouble = error
        trouble, ear.trouble = ear.trouble, None
        if trouble and ear.is_news(trouble, ear.last_audio):
            raise trouble

    def _take(self, conversation: str, ear: Ear, pcm: bytes) -> None:
        if len(pcm) == ear.frame_bytes and not ear.pending:  # most often
            self._frame(conversation, ear, pcm)
        else:
            pcm = ear.pending + pcm
            end = len(pcm) - len(pcm) % ear.frame_bytes
            ear.pending = pcm[end:]
            for at in range(0, end, ear.frame_bytes):
                self._frame(conversation, ear, pcm[at : at + ear.frame_bytes])
        ear.stumbled = False

    def _stumble(self, conversation: str, ear: Ear) -> None:
        """Try the detector again in a second; end what is being said if that has failed as well."""
        ear.vad, ear.deaf_for = None, RETRY_SAMPLES
        if ear.stumbled and ear.is_open:
            self._end(conversation, ear)
        ear.stumbled = True

    def hold(self, event: TalkHeld) -> None:
        """Begin an utterance that only the user ends."""
        ear = self.ear(event.turn.conversation)
        ear.held = True

    def release(self, event: TalkReleased) -> None:
        """End the utterance now."""
        ear = self.ear(event.turn.conversation)
        ear.held = False
        if ear.is_open:
            self._end(event.turn.conversation, ear)
        else:  # nothing was said: the page stops waiting for words
            self.bus.post(UtteranceHeard(event.turn, "", b""))

    def _listen(self, ear: Ear, samples: int) -> bool:
        """Get a detector; ask for it once a second while there is none."""
        ear.deaf_for -= samples
        if ear.deaf_for > 0:
            return False
        vad = self.parts.vad
        ear.vad, ear.frame_bytes = vad.stream(), 2 * vad.frame_samples
        ear.before = deque(maxlen=max(1, size(PRE_ROLL_MS) // ear.frame_bytes))
        return True

    def _frame(self, conversation: str, ear: Ear, frame: bytes) -> None:
        assert ear.vad is not None  # noqa: S101  (set by _listen)
        speech = ear.vad.is_speech(frame)
        if not ear.key:
            if not speech:
                ear.before.append(frame)
                return
            self._begin(conversation, ear)
        ear.said += frame
        if speech:
            ear.voiced = len(ear.said)
            self._speech(conversation, ear, len(frame))
        else:
            self._silence(conversation, ear, len(frame))
        if ear.is_open and ms(len(ear.said)) >= LONGEST_MS:
            self._end(conversation, ear)
        elif ear.is_open and self._wants_guess(ear):
            self._ask(conversation, ear)

    def _begin(self, conversation: str, ear: Ear) -> None:
        ear.key, ear.said = new_id(), bytearray(b"".join(ear.before))
        ear.before.clear()
        self._note_cut_off(conversation, ear)
        ear.silent_bytes = ear.speech_bytes = 0
        ear.sound, ear.is_told = None, False
        ear.transcript, ear.words = "", Agreement()
        ear.asked_at, ear.covered = len(ear.said), 0
        ear.asked = ear.came = 0
        ear.over = anyio.Event()
        self.bus.post(UserStartedSpeaking(self.bus.turn(conversation)))

    def _note_cut_off(self, conversation: str, ear: Ear) -> None:
        """Learn from a turn that was begun too early: the user goes straight on."""
        silence_ms = round(1000 * (self.bus.clock.now() - ear.voice_ended))
        if silence_ms <= CUT_OFF_MS and self.bus.live_turn(conversation):
            ear.rhythm.note(silence_ms)

    def _speech(self, conversation: str, ear: Ear, size: int) -> None:
        turn = self.bus.turn(conversation)
        if ear.silent_bytes:
            self.bus.post(UserResumed(turn))
        ear.silent_bytes = 0
        ear.speech_bytes += size
        if live := self.bus.live_turn(conversation):
            self.gate.voice(live, ms(ear.speech_bytes), ear.transcript, held=ear.held)

    def _silence(self, conversation: str, ear: Ear, size: int) -> None:
        if not ear.silent_bytes:
            ear.voice_ended = self.bus.clock.now()
            self.bus.post(UserPaused(self.bus.turn(conversation)))
        ear.silent_bytes += size
        if ear.held:
            return
        if self._is_over(ear):
            self._end(conversation, ear)
        elif not ear.is_told and ms(ear.silent_bytes) >= PROBABLE_MS:
            ear.is_told = True
            turn = self.bus.turn(conversation)
            self.bus.post(UtterancePaused(turn, ear.key, bytes(ear.said)))

    def _is_over(self, ear: Ear) -> bool:
        """Ask the turn detector; while that fails, a plain silence ends the turn."""
        pause = ear.pause()
        try:
            return bool(self.parts.turn.is_over(pause))
        except Exception as error:
            ear.trouble = error  # reported when the frame is done with
            return pause.silence_ms >= PLAIN_END_MS

    def resume(self, event: UserResumed) -> None:
        """It was a pause, not the end: learn from it."""
        ear = self.ear(event.turn.conversation)
        ear.rhythm.note(ms(ear.silent_bytes))
        ear.sound, ear.is_told = None, False

    def _wants_guess(self, ear: Ear) -> bool:
        """Tell whether there is enough new voice, and not too many guesses on their way."""
        on_their_way, new = ear.asked - ear.came, len(ear.said) - ear.asked_at
        if ear.voiced <= ear.asked_at or new < size(SOONER_MS):
            return False
        if not on_their_way:
            return new >= size(GUESS_MS)
        return on_their_way < AT_ONCE and ear.odds.shows_early and self.writing.may_overlap()

    def _ask(self, conversation: str, ear: Ear) -> None:
        turn = self.bus.turn(conversation)
        self.bus.post(InterimAudio(turn, ear.key, bytes(ear.said), ear.asked))
        ear.asked_at = len(ear.said)
        ear.asked += 1

    def _end(self, conversation: str, ear: Ear) -> None:
        if not ear.silent_bytes:
            ear.voice_ended = self.bus.clock.now()
        turn, key, pcm = self.bus.turn(conversation), ear.key, bytes(ear.said)
        ear.key, ear.said = "", bytearray()
        ear.over.set()
        for guess in ear.guesses:
            guess.cancel()  # nobody waits for it any more
        self.bus.post(UtteranceHeard(turn, key, pcm, ear.voice_ended))

    # -- in lanes ----------------------------------------------------------------------------

    async def watch(self, event: UserStartedSpeaking) -> None:
        """End an utterance whose audio stopped coming."""
        conversation = event.turn.conversation
        ear = self.ear(conversation)
        over = ear.over
        while not over.is_set():
            with anyio.move_on_after(ear.last_audio + STALL_SECONDS - self.bus.clock.now()):
                await over.wait()
            stalled = self.bus.clock.now() >= ear.last_audio + STALL_SECONDS
            if stalled and not over.is_set():
                ear.held = False
                self._end(conversation, ear)

    def close(self, event: ConversationClosed) -> None:
        """Forget the ear."""
        if (ear := self.ears.pop(event.turn.conversation, None)) is not None:
            ear.over.set()


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Listen to microphones."""
    gate = Gate(bus, parts)
    gate.listen()
    hearing = Hearing(bus, parts, gate)
    hearing.writing = writing = Writing(bus, parts, hearing.ear, gate)
    bus.tap(hearing.hear)
    bus.tap(hearing.hold)
    bus.tap(hearing.release)
    bus.tap(writing.resume)
    bus.tap(hearing.resume)
    bus.tap(writing.close)
    bus.tap(hearing.close)
    bus.subscribe(hearing.watch)
    bus.subscribe(writing.meet, overflow=Overflow.COALESCE)
    bus.subscribe(
        writing.guess,
        overflow=Overflow.COALESCE,
        lane_by=lambda event: event.number % AT_ONCE,
    )
    bus.subscribe(writing.expect, overflow=Overflow.COALESCE)
    bus.subscribe(writing.judge, overflow=Overflow.COALESCE)
    bus.subscribe(writing.write_down)
