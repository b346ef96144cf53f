"""The state of one utterance: its audio, its transcripts, and what began before its endpoint."""

from __future__ import annotations

import anyio
from attrs import define, field

from aichat.core import Pause, new_id
from aichat.core.events import MIC_RATE, Turn, UserSaid

from . import completeness
from .endpoint_probability import EndpointEstimator, SeenSigns, Sign
from .local_agreement import LocalAgreement, words

UNCOVERED_MS = 200
"""Audio (ms) that a transcript may lack: recognisers complete a word that is nearly whole."""
SYLLABLE_MS = 150
"""Voice (ms) that counts as a word while there is no transcript."""


def duration_ms(pcm_bytes: int) -> int:
    """Return the length of 16 kHz PCM16 in ms."""
    return pcm_bytes * 1000 // (2 * MIC_RATE)


def pcm_size(milliseconds: int) -> int:
    """Return the bytes of 16 kHz PCM16 of that length."""
    return milliseconds * 2 * MIC_RATE // 1000


@define(eq=False)
class EarlyTranscript:
    """A final transcript that is made before the endpoint is decided."""

    covered: int
    """Byte up to which it covers the audio."""
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    done: anyio.Event = field(factory=anyio.Event)
    text: str = ""
    failure: Exception | None = None

    async def get(self) -> str:
        """Wait for the text. Raises what went wrong with it."""
        await self.done.wait()
        if self.failure:
            raise self.failure
        return self.text


@define(eq=False)
class SpeculativeAnswer:
    """A speculative turn and the text that it answers."""

    turn: Turn
    text: str
    before: UserSaid | None
    """The message that the text joins."""
    began: float
    estimator: EndpointEstimator


@define(eq=False)
class UtteranceState:
    """One utterance, from its first voice until its final transcript is dealt with.

    Whatever works on an utterance holds this object, and never asks which one is the latest: so
    nothing of one utterance can reach the next.
    """

    conversation: str
    pcm: bytearray
    """All of it until it ends, with what was kept from before the first voice."""
    key: str = field(factory=new_id)
    voice_bytes: int = 0
    """Voice in it, without pauses."""
    voiced_to: int = 0
    """Byte up to which there was voice."""
    silent_bytes: int = 0
    """Silence since the last voice."""
    pause_published: bool = False
    """``UtterancePaused`` was published for this pause."""
    ended: anyio.Event = field(factory=anyio.Event)
    work: anyio.CancelScope = field(factory=anyio.CancelScope)
    """Of the final transcript, and of the turn that it opens."""

    interims: list[anyio.CancelScope] = field(factory=list)
    """Cancel scopes of the interim transcripts in flight."""
    requested: int = 0
    """Interim transcripts requested."""
    received: int = 0
    """Interim transcripts received; one that failed does not count."""
    requested_to: int = field(init=False)
    """Byte up to which the latest requested one covers the audio."""
    covered: int = 0
    """Byte up to which the newest received one does."""
    agreement: LocalAgreement = field(factory=LocalAgreement)
    transcript: str = ""
    """The newest hypothesis."""
    advice: str = ""
    """What to change, if it seems to be in another language than the recogniser writes."""
    sound: float | None = None
    """Endpoint probability by sound; None where no detector has judged it."""

    signs: SeenSigns = field(factory=dict)
    """The signs of an endpoint so far, to be checked against the final transcript."""
    early: EarlyTranscript | None = None
    answer: SpeculativeAnswer | None = None

    def __attrs_post_init__(self) -> None:
        self.requested_to = len(self.pcm)

    # -- audio -------------------------------------------------------------------------------

    def add_voice(self, frame: bytes) -> None:
        """Add a frame with voice: if the user had paused, it was not the endpoint."""
        self.pcm += frame
        self.voiced_to = len(self.pcm)
        self.voice_bytes += len(frame)
        if self.silent_bytes:
            self.silent_bytes = 0
            self.sound, self.pause_published = None, False

    def add_silence(self, frame: bytes) -> None:
        """Add a frame without voice."""
        self.pcm += frame
        self.silent_bytes += len(frame)

    def end(self) -> bytes:
        """Return all of the audio, and keep it no longer; interim transcripts are given up."""
        pcm, self.pcm = bytes(self.pcm), bytearray()
        self.ended.set()
        for interim in self.interims:
            interim.cancel()  # the final transcript replaces it
        return pcm

    def drop(self) -> None:
        """Give up all that is being done for it."""
        self.end()
        self.work.cancel()
        self.drop_early()

    def drop_early(self) -> None:
        """Give up the early transcript: more has been said since."""
        early, self.early = self.early, None
        if early:
            early.scope.cancel()

    @property
    def silence_ms(self) -> int:
        """Silence (ms) since the last voice."""
        return duration_ms(self.silent_bytes)

    @property
    def is_over(self) -> bool:
        """Whether its endpoint is decided."""
        return self.ended.is_set()

    def pauses_at(self, pcm_bytes: int) -> bool:
        """Return whether the pause after that much audio lasts: no voice since, and no endpoint."""
        return not self.is_over and self.voiced_to <= pcm_bytes

    # -- words -------------------------------------------------------------------------------

    def accept_interim(self, text: str, covered: int) -> bool:
        """Take an interim transcript of the first *covered* bytes; False if it comes too late."""
        if self.is_over or covered < self.covered:
            return False  # a newer one, or the final transcript, came first
        self.transcript, self.covered = text, covered
        self.agreement.add(text)
        return True

    @property
    def hypothesis(self) -> str:
        """The newest transcript if it may be all that was said, else nothing."""
        return self.transcript if self.voiced_to - self.covered <= pcm_size(UNCOVERED_MS) else ""

    def sign(self) -> Sign:
        """Return the current evidence that the utterance is over."""
        by_words = completeness.finished(self.transcript)
        covers_all = self.covered >= self.voiced_to
        return Sign(by_words, self.silence_ms, self.sound, covers_all)

    def note(self, sign: Sign) -> None:
        """Remember a sign, and the words that were known then, until the final transcript comes."""
        self.signs[sign.kind, tuple(words(self.transcript))] = None

    def pause(self, usual_ms: int) -> Pause:
        """Return what the turn detector needs while the user is silent."""
        text = self.transcript
        return Pause(
            silence_ms=self.silence_ms,
            speech_ms=duration_ms(len(self.pcm)),
            transcript=text,
            has_words=self._has_words(),
            finished=completeness.endpoint(text, self.sound),
            sound=self.sound,
            usual_ms=usual_ms,
        )

    def _has_words(self) -> bool:
        if self.agreement.latest or self.covered >= self.voiced_to:  # it was listened to
            return completeness.has_words(self.transcript)
        return duration_ms(self.voice_bytes) >= SYLLABLE_MS
