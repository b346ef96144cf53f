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
    Pause,
    TimedOut,
    Utterance,
    VadStream,
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
)

PRE_ROLL_MS = 320
"""So much audio before the first speech frame is kept: detection is late, first syllables soft."""
PARTIAL_MS = 600
"""A live transcript is asked for after each such stretch of an utterance."""
LONGEST_MS = 60_000
"""An utterance is cut here, so that a noisy room cannot fill the memory."""
STALL_SECONDS = 2.0
"""Audio that stops coming for so long ends the utterance."""
STT_SECONDS = 30.0
"""The longest wait for a final transcript."""
RETRY_SAMPLES = MIC_RATE
"""While no detector serves, ask again after so much audio."""


@define
class Ear:
    """One conversation's microphone: what is being said, and how long it has been quiet."""

    vad: VadStream | None = None
    frame_bytes: int = 0
    deaf_for: int = 0
    pending: bytearray = field(factory=bytearray)
    before: deque[bytes] = field(factory=deque)
    said: bytearray = field(factory=bytearray)
    key: str = ""
    held: bool = False
    silent_bytes: int = 0
    speech_bytes: int = 0
    partial_at: int = 0
    transcript: str = ""
    last_audio: float = 0.0
    voice_ended: float = 0.0
    over: anyio.Event = field(factory=anyio.Event)
    partial: anyio.CancelScope | None = None

    @property
    def is_open(self) -> bool:
        """An utterance has begun and not ended."""
        return bool(self.key)


def ms(pcm_bytes: int) -> int:
    """Length of 16 kHz PCM16 in ms."""
    return pcm_bytes * 1000 // (2 * MIC_RATE)


@define
class Hearing:
    """Keeps one ear on each conversation."""

    bus: Bus
    parts: Parts
    ears: dict[str, Ear] = field(factory=dict)

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
        size = ear.frame_bytes
        while len(ear.pending) >= size:
            frame = bytes(ear.pending[:size])
            del ear.pending[:size]
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
        ear.before = deque(maxlen=max(1, PRE_ROLL_MS * 2 * MIC_RATE // 1000 // ear.frame_bytes))
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
            self._speech(conversation, ear, len(frame))
        else:
            self._silence(conversation, ear, len(frame))
        if ear.is_open and ms(len(ear.said)) >= LONGEST_MS:
            self._end(conversation, ear)
        elif ear.is_open and len(ear.said) >= ear.partial_at:
            self._partial(conversation, ear)

    def _begin(self, conversation: str, ear: Ear) -> None:
        ear.key, ear.said = new_id(), bytearray(b"".join(ear.before))
        ear.before.clear()
        ear.silent_bytes = ear.speech_bytes = 0
        ear.transcript, ear.over = "", anyio.Event()
        ear.partial_at = len(ear.said) + PARTIAL_MS * 2 * MIC_RATE // 1000
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
        pause = Pause(ms(ear.silent_bytes), ms(len(ear.said)), ear.transcript)
        if not ear.held and self.parts.turn.is_over(pause):
            self._end(conversation, ear)

    def _partial(self, conversation: str, ear: Ear) -> None:
        ear.partial_at = len(ear.said) + PARTIAL_MS * 2 * MIC_RATE // 1000
        turn = self.bus.turn(conversation)
        self.bus.post(UtteranceGrew(turn, ear.key, bytes(ear.said)))

    def _end(self, conversation: str, ear: Ear) -> None:
        if not ear.silent_bytes:
            ear.voice_ended = self.bus.clock.now()
        turn, key, pcm = self.bus.turn(conversation), ear.key, bytes(ear.said)
        ear.key, ear.said = "", bytearray()
        ear.over.set()
        if ear.partial:
            ear.partial.cancel()  # nobody waits for a guess any more
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
        ear = self.ear(event.turn.conversation)
        if ear.key != event.key:
            return  # the utterance is over; its final transcript comes next
        with anyio.CancelScope() as ear.partial:
            text = await self.parts.stt.transcribe(Utterance(event.key, event.pcm, final=False))
            ear.transcript = text.strip()
            self.bus.post(TranscriptUpdated(event.turn, ear.transcript))
        ear.partial = None

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
        try:
            with anyio.fail_after(STT_SECONDS):
                return (await self.parts.stt.transcribe(utterance)).strip()
        except TimeoutError as error:
            raise TimedOut(
                f"What you said was not written down within {STT_SECONDS:g} seconds.",
                "Say it again, or choose another recogniser under [stt] in plugins.toml.",
            ) from error

    def close(self, event: ConversationClosed) -> None:
        """Forget the ear."""
        if (ear := self.ears.pop(event.turn.conversation, None)) is not None:
            ear.over.set()


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Listen to microphones."""
    hearing = Hearing(bus, parts)
    bus.tap(hearing.hear)
    bus.tap(hearing.hold)
    bus.tap(hearing.release)
    bus.tap(hearing.close)
    bus.subscribe(hearing.watch)
    bus.subscribe(hearing.guess, overflow=Overflow.COALESCE)
    bus.subscribe(hearing.write_down)
