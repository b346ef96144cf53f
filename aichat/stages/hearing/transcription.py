"""Speech to text: interim transcripts while the user speaks, the final transcript at the end.

In a pause that may be the end, the final transcript and a speculative turn are begun before the
decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

import anyio
from attrs import Factory, define, field

from aichat.core import Bus, NotFound, Parts, SoundJudge, Stt, TimedOut, Utterance, new_id
from aichat.core.events import (
    ConversationClosed,
    InterimAudio,
    TranscriptUpdated,
    UserResumed,
    UserSaid,
    UserStartedSpeaking,
    UtteranceHeard,
    UtterancePaused,
)
from aichat.core.registry.standby import Standby
from aichat.toolkit.transcripts.hallucinations import spoken
from aichat.toolkit.transcripts.plausibility import transcript

from .barge_in import BargeInDetector
from .local_agreement import words
from .microphone_state import MicrophoneState
from .speculation import Final, Speculation
from .stt_queue import SttQueue

log = logging.getLogger(__name__)

INTERIM_SECONDS = 5.0
"""Timeout (s) of an interim transcript."""
STT_SECONDS = 30.0
"""Timeout (s) of a final transcript."""
JUDGE_SECONDS = 5.0
"""Timeout (s) of judging by sound whether the utterance is over."""
AT_ONCE = 2
"""Most interim transcripts of one utterance in flight, where the recogniser has room."""
INTERIM_HANDLER = f"{__name__}.Transcription.transcribe_interim"
"""The handler name under which the bus counts interim transcripts that were given up."""


@define
class Recogniser:
    """A recogniser and the queue of requests for it."""

    stt: Stt
    queue: SttQueue

    async def written(self, utterance: Utterance) -> str:
        """Return the words of an utterance, without those that a recogniser makes up in silence.

        Here, and not in the backends, so that it holds for every one of them. Raises
        :class:`BackendFailed` for what is no transcript.
        """
        return spoken(transcript(await self.stt.transcribe(utterance), utterance))


@define
class Transcription:
    """Requests transcripts for every conversation, and opens the turns that they make."""

    bus: Bus
    parts: Parts
    microphone: Callable[[str], MicrophoneState]
    barge_in: BargeInDetector
    recognisers: list[Recogniser] = field(factory=list)
    """Recognisers that were asked and are still ready."""
    standby: Standby = field(
        default=Factory(lambda self: Standby(self.bus.clock, self.parts, "stt"), takes_self=True)
    )
    speculation: Speculation = field(
        default=Factory(lambda self: Speculation(self.bus, self.parts), takes_self=True)
    )
    finals: dict[str, Final] = field(factory=dict)
    """Final transcripts begun before the end was decided, by utterance key."""

    async def meet(self, event: UserStartedSpeaking) -> None:
        """Look up the names of the cast, so that the recogniser expects them."""
        mic = self.microphone(event.turn.conversation)
        with suppress(NotFound):  # a conversation that is not kept has no cast
            _, cast = await self.parts.storage.cast(event.turn.conversation)
            mic.names = tuple(character.name for character in cast)

    async def transcribe_interim(self, event: InterimAudio) -> None:
        """Publish an interim transcript; cancelled when the utterance ends."""
        conversation = event.turn.conversation
        mic = self.microphone(conversation)
        if not getattr(self._recogniser().stt, "guesses", True):
            return  # also for the rest of this utterance
        if mic.key == event.key:  # else it is over; its final transcript comes next
            with anyio.move_on_after(INTERIM_SECONDS) as scope:
                mic.interims.append(scope)
                try:
                    await self._interim(conversation, mic)
                finally:
                    mic.interims.remove(scope)
            if scope.cancelled_caught:
                self.bus.dropped[INTERIM_HANDLER] += 1
        if mic.key == event.key:  # not after a failure: then this utterance gets no more of them
            mic.came += 1

    async def _interim(self, conversation: str, mic: MicrophoneState) -> None:
        recogniser, key = self._recogniser(), mic.key
        async with recogniser.queue.place(conversation, final=False):
            pcm = bytes(mic.said)  # what came while waiting is heard too
            mic.asked_at = covered = len(pcm)
            utterance = Utterance(key, pcm, final=False, hotwords=mic.names)
            text = await recogniser.written(utterance)
        if key != mic.key or covered < mic.covered:
            return  # a newer one, or the final transcript, came first
        mic.transcript, mic.covered = text, covered
        mic.words.add(text)
        turn = self.bus.turn(conversation)
        self.bus.post(TranscriptUpdated(turn, mic.words.text, tail=mic.words.tail))
        await self._speculate(conversation, mic)

    async def expect(self, event: UtterancePaused) -> None:
        """Make the final transcript, and a speculative turn of it, before the end is decided."""
        conversation = event.turn.conversation
        mic = self.microphone(conversation)
        if not (mic.is_still_in(event) and self.speculation.may_write()):
            return
        final = self.finals[event.key] = Final()
        await self._speculate(conversation, mic)
        try:
            with final.scope:
                final.text = await self._transcribed(conversation, event.key, event.pcm)
        except Exception as error:
            final.failure = error  # raised where the text is needed, if it is
        finally:
            final.done.set()
        if mic.is_still_in(event) and not final.failure:
            mic.transcript, mic.covered = final.text, len(event.pcm)
            if not final.text:  # an interim transcript had words that nobody said
                self.speculation.revoke(conversation)
            await self._speculate(conversation, mic)

    async def _speculate(self, conversation: str, mic: MicrophoneState) -> None:
        if (text := mic.hypothesis) and not mic.held:
            sign = mic.sign()
            mic.odds.see(mic.key, sign, words(text))
            await self.speculation.speculate(conversation, text, mic.odds, sign)

    async def judge(self, event: UtterancePaused) -> None:
        """Ask the turn detector how the end sounded, if it judges sound."""
        detector, mic = self.parts.turn, self.microphone(event.turn.conversation)
        if not isinstance(detector, SoundJudge):
            return
        try:
            with anyio.fail_after(JUDGE_SECONDS):
                judged = float(await detector.finished(event.pcm))
        except Exception as error:  # the silence decides without it
            if mic.is_news(error, self.bus.clock.now()):
                raise _late_to_judge(error) from error
            return
        if mic.is_still_in(event):
            mic.sound = judged
            await self._speculate(event.turn.conversation, mic)

    def may_overlap(self) -> bool:
        """Return whether an interim transcript may be begun while another is in flight."""
        return self.speculation.may_answer() and self._recogniser().queue.has_room

    def _recogniser(self) -> Recogniser:
        """Return the best recogniser that is ready and has not just stalled."""
        stt = self.standby.choose()
        for one in self.recognisers:
            if one.stt is stt:
                return one
        ready = self.parts.roles["stt"].ready()
        self.recognisers = [one for one in self.recognisers if any(one.stt is r for r in ready)]
        self.recognisers.append(
            new := Recogniser(stt, SttQueue(getattr(stt, "max_concurrent", None)))
        )
        return new

    async def write_down(self, event: UtteranceHeard) -> None:
        """Ask the recogniser for the final transcript; words in it open a turn."""
        conversation, text = event.turn.conversation, ""
        try:
            if event.pcm:
                text = await self._final(event)
        finally:
            if not text:  # also after a failure: the page stops waiting
                self.speculation.revoke(conversation)
                self.bus.post(TranscriptUpdated(event.turn, "", final=True))
        self.microphone(conversation).odds.learn(event.key, words(text))
        if text and self.barge_in.settles(event.turn, text):
            self.speculation.revoke(conversation)
        elif text and not self.speculation.commit(conversation, text):
            turn = self.bus.new_turn(conversation)
            self.bus.post(TranscriptUpdated(turn, text, final=True))
            await self.bus.publish(UserSaid(turn, text, "voice", new_id()))

    async def _final(self, event: UtteranceHeard) -> str:
        if final := self.finals.pop(event.key, None):
            return await final.get()
        return await self._transcribed(event.turn.conversation, event.key, event.pcm)

    async def _transcribed(self, conversation: str, key: str, pcm: bytes) -> str:
        """Ask for the final transcript; after a stall ask the next recogniser that is ready."""
        utterance = Utterance(key, pcm, final=True, hotwords=self.microphone(conversation).names)
        asked: list[Stt] = []
        while True:
            recogniser = self._recogniser()
            try:
                with anyio.fail_after(STT_SECONDS):
                    async with recogniser.queue.place(conversation, final=True):
                        return await recogniser.written(utterance)
            except (TimeoutError, TimedOut) as error:
                asked.append(recogniser.stt)
                self.standby.rest(recogniser.stt)
                if self.standby.choose(asked) is None:
                    raise _late(error) from error
                log.warning("A recogniser has stalled; another is asked for a while.")

    # -- by tap ------------------------------------------------------------------------------

    def resume(self, event: UserResumed) -> None:
        """Revoke the speculation when the user goes on, but for a gap within a word."""
        if self.microphone(event.turn.conversation).may_have_ended:
            self._revoke(event.turn.conversation)

    def close(self, event: ConversationClosed) -> None:
        """Give up what is being done for a conversation."""
        self._revoke(event.turn.conversation)
        for recogniser in self.recognisers:
            recogniser.queue.forget(event.turn.conversation)

    def _revoke(self, conversation: str) -> None:
        self.speculation.revoke(conversation)
        if final := self.finals.pop(self.microphone(conversation).key, None):
            final.scope.cancel()


def _late(error: Exception) -> TimedOut:
    if isinstance(error, TimedOut):  # it says so itself
        return error
    return TimedOut(
        f"What you said was not transcribed within {STT_SECONDS:g} seconds.",
        "Say it again, or choose another recogniser under [stt] in plugins.toml.",
    )


def _late_to_judge(error: Exception) -> Exception:
    if not isinstance(error, TimeoutError):
        return error
    problem = f"How the end sounded was not judged within {JUDGE_SECONDS:g} seconds."
    return TimedOut(problem, "Choose another backend under [turn] in plugins.toml.")
