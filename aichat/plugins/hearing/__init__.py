"""Stage: microphone audio becomes utterances, utterances become text, text opens a turn.

Time is counted in samples of the microphone, so that a late packet is not a pause. The one clock
that is not the microphone's is the watchdog: when audio stops coming in mid-utterance, the
utterance ends.
"""

from __future__ import annotations

from collections import deque

import anyio
from attrs import define, field

from aichat.core import (
    Bus,
    NotReady,
    Overflow,
    Parts,
    SoundJudge,
    Stt,
    TimedOut,
    Utterance,
    hookimpl,
    new_id,
)
from aichat.core.events import (
    MIC_RATE,
    AudioReceived,
    ConversationClosed,
    Interrupted,
    TalkHeld,
    TalkReleased,
    TranscriptUpdated,
    UserPaused,
    UserResumed,
    UserSaid,
    UserStartedSpeaking,
    UtteranceGrew,
    UtteranceHeard,
    UtterancePaused,
)

from .agreement import Agreement
from .ear import Ear, ms, size
from .sharing import Sharing

PRE_ROLL_MS = 320
"""So much audio before the first speech frame is kept: detection is late, first syllables soft."""
GUESS_MS = 200
"""A live transcript is asked for after each such stretch of voice, once the last one has come."""
PROBABLE_MS = 80
"""After so much silence the user may have finished."""
GUESS_SECONDS = 5.0
"""A live transcript that takes longer is given up."""
LONGEST_MS = 60_000
"""An utterance is cut here, so that a noisy room cannot fill the memory."""
STALL_SECONDS = 2.0
"""Audio that stops coming for so long ends the utterance."""
STT_SECONDS = 30.0
"""The longest wait for a final transcript."""
RETRY_SAMPLES = MIC_RATE
"""While no detector serves, ask again after so much audio."""


GUESSES = f"{__name__}.Hearing.guess"
"""Under this name the bus counts guesses that were given up."""


@define
class Recogniser:
    """What writes speech down now, and who may use it."""

    stt: Stt
    sharing: Sharing


@define
class Hearing:
    """Keeps one ear on each conversation."""

    bus: Bus
    parts: Parts
    ears: dict[str, Ear] = field(factory=dict)
    recogniser: Recogniser | None = None

    def ear(self, conversation: str) -> Ear:
        """Return the conversation's ear."""
        if (ear := self.ears.get(conversation)) is None:
            ear = self.ears[conversation] = Ear()
        return ear

    # -- audio in, by tap --------------------------------------------------------------------

    def hear(self, event: AudioReceived) -> None:
        """Cut the audio into the detector's frames and find where speech begins and ends."""
        ear = self.ear(event.turn.conversation)
        ear.last_audio = self.bus.clock.now()
        if ear.vad is None and not self._listen(ear, len(event.pcm) // 2):
            return
        ear.pending += event.pcm
        while len(ear.pending) >= ear.frame_bytes:
            frame = bytes(ear.pending[: ear.frame_bytes])
            del ear.pending[: ear.frame_bytes]
            try:
                self._frame(event.turn.conversation, ear, frame)
            except Exception:
                ear.vad, ear.deaf_for = None, RETRY_SAMPLES  # told now, tried again in a second
                raise

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
        """Get a detector; tell the user once a second while there is none."""
        ear.deaf_for -= samples
        if ear.deaf_for > 0:
            return False
        try:
            vad = self.parts.vad
        except NotReady:
            ear.deaf_for = RETRY_SAMPLES
            raise
        ear.vad, ear.frame_bytes = vad.stream(), 2 * vad.frame_samples
        ear.before = deque(maxlen=max(1, size(PRE_ROLL_MS) // ear.frame_bytes))
        return True

    def _frame(self, conversation: str, ear: Ear, frame: bytes) -> None:
        assert ear.vad is not None  # noqa: S101  (set by _listen)
        speech = ear.vad.is_speech(frame)
        if not ear.is_open:
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
        if self.bus.live_turn(conversation):  # it may have been begun too early
            ear.rhythm.note(round(1000 * (self.bus.clock.now() - ear.voice_ended)))
        ear.silent_bytes = ear.speech_bytes = 0
        ear.sound, ear.is_told = None, False
        ear.transcript, ear.words, ear.asked_at = "", Agreement(), len(ear.said)
        ear.over = anyio.Event()
        self.bus.post(UserStartedSpeaking(self.bus.turn(conversation)))

    def _speech(self, conversation: str, ear: Ear, size: int) -> None:
        turn = self.bus.turn(conversation)
        if ear.silent_bytes:
            self.bus.post(UserResumed(turn))
        ear.silent_bytes = 0
        ear.speech_bytes += size
        if self.bus.live_turn(conversation) and self._breaks_in(ear):
            self.bus.interrupt(Interrupted(turn, "barge_in"))

    def _breaks_in(self, ear: Ear) -> bool:
        return ear.held or ms(ear.speech_bytes) > self.parts.turn.barge_in_ms

    def _silence(self, conversation: str, ear: Ear, size: int) -> None:
        if not ear.silent_bytes:
            ear.voice_ended = self.bus.clock.now()
            self.bus.post(UserPaused(self.bus.turn(conversation)))
        ear.silent_bytes += size
        if ear.held:
            return
        if self.parts.turn.is_over(ear.pause()):
            self._end(conversation, ear)
        elif not ear.is_told and ms(ear.silent_bytes) >= PROBABLE_MS:
            ear.is_told = True
            turn = self.bus.turn(conversation)
            self.bus.post(UtterancePaused(turn, ear.key, bytes(ear.said)))

    def resume(self, event: UserResumed) -> None:
        """It was a pause, not the end: learn from it."""
        ear = self.ear(event.turn.conversation)
        ear.rhythm.note(ms(ear.silent_bytes))
        ear.sound, ear.is_told = None, False

    @staticmethod
    def _wants_guess(ear: Ear) -> bool:
        """Tell whether there is enough new voice, and no guess on its way."""
        if ear.asked == ear.key:
            return False
        return len(ear.said) >= ear.asked_at + size(GUESS_MS) and ear.voiced > ear.asked_at

    def _ask(self, conversation: str, ear: Ear) -> None:
        ear.asked = ear.key
        self.bus.post(UtteranceGrew(self.bus.turn(conversation), ear.key, bytes(ear.said)))

    def _end(self, conversation: str, ear: Ear) -> None:
        if not ear.silent_bytes:
            ear.voice_ended = self.bus.clock.now()
        turn, key, pcm = self.bus.turn(conversation), ear.key, bytes(ear.said)
        ear.key, ear.said = "", bytearray()
        ear.over.set()
        if ear.guess:
            ear.guess.cancel()  # nobody waits for it any more
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

    async def guess(self, event: UtteranceGrew) -> None:
        """Ask the recogniser for the live transcript; cancelled when the utterance ends."""
        conversation = event.turn.conversation
        ear = self.ear(conversation)
        if ear.key == event.key:  # else it is over; its final transcript comes next
            with anyio.move_on_after(GUESS_SECONDS) as ear.guess:
                await self._guess(conversation, ear)
            if ear.guess.cancelled_caught:
                self.bus.dropped[GUESSES] += 1
        if ear.asked == event.key:  # not after a failure: then this utterance gets no more of them
            ear.asked = ""

    async def _guess(self, conversation: str, ear: Ear) -> None:
        recogniser, key = self._recogniser(), ear.key
        async with recogniser.sharing.place(conversation, final=False):
            pcm = bytes(ear.said)  # what came while waiting is heard too
            ear.asked_at = len(pcm)
            text = (await recogniser.stt.transcribe(Utterance(key, pcm, final=False))).strip()
        ear.transcript = text
        ear.words.add(text)
        turn = self.bus.turn(conversation)
        self.bus.post(TranscriptUpdated(turn, ear.words.text, tail=ear.words.tail))

    async def judge(self, event: UtterancePaused) -> None:
        """Ask the detector how the end sounded, if it can tell."""
        detector, ear = self.parts.turn, self.ear(event.turn.conversation)
        if isinstance(detector, SoundJudge):
            judged = await detector.finished(event.pcm)
            if ear.key == event.key and ear.voiced <= len(event.pcm):  # still in this pause
                ear.sound = judged

    def _recogniser(self) -> Recogniser:
        stt = self.parts.stt
        if self.recogniser is None or self.recogniser.stt is not stt:
            self.recogniser = Recogniser(stt, Sharing(getattr(stt, "max_concurrent", None)))
        return self.recogniser

    async def write_down(self, event: UtteranceHeard) -> None:
        """Ask the recogniser for the final transcript; words in it open a turn."""
        text = ""
        try:
            if event.pcm:
                text = await self._transcribed(event)
        finally:
            if not text:  # also after a failure: the page stops waiting
                self.bus.post(TranscriptUpdated(event.turn, "", final=True))
        if text:
            turn = self.bus.new_turn(event.turn.conversation)
            self.bus.post(TranscriptUpdated(turn, text, final=True))
            await self.bus.publish(UserSaid(turn, text, "voice", new_id()))

    async def _transcribed(self, event: UtteranceHeard) -> str:
        utterance = Utterance(event.key, event.pcm, final=True)
        recogniser = self._recogniser()
        try:
            with anyio.fail_after(STT_SECONDS):
                async with recogniser.sharing.place(event.turn.conversation, final=True):
                    return (await recogniser.stt.transcribe(utterance)).strip()
        except TimeoutError as error:
            raise TimedOut(
                f"What you said was not written down within {STT_SECONDS:g} seconds.",
                "Say it again, or choose another recogniser under [stt] in plugins.toml.",
            ) from error

    def close(self, event: ConversationClosed) -> None:
        """Forget the ear."""
        if (ear := self.ears.pop(event.turn.conversation, None)) is not None:
            ear.over.set()
        if self.recogniser:
            self.recogniser.sharing.forget(event.turn.conversation)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Listen to microphones."""
    hearing = Hearing(bus, parts)
    bus.tap(hearing.hear)
    bus.tap(hearing.hold)
    bus.tap(hearing.release)
    bus.tap(hearing.close)
    bus.tap(hearing.resume)
    bus.subscribe(hearing.watch)
    bus.subscribe(hearing.guess, overflow=Overflow.COALESCE)
    bus.subscribe(hearing.judge, overflow=Overflow.COALESCE)
    bus.subscribe(hearing.write_down)
