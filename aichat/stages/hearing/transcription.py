"""Speech to text: interim transcripts while the user speaks, the final transcript at the end.

In a pause that may be the end, the final transcript and a speculative turn are begun before the
decision.
"""

from __future__ import annotations

from contextlib import suppress

import anyio
from attrs import define

from aichat.core import Bus, ForeignSpeech, NotFound, Parts, Utterance
from aichat.core.events import (
    ConversationClosed,
    InterimAudio,
    LanguageDoubted,
    TranscriptUpdated,
    Turn,
    UserResumed,
    UserStartedSpeaking,
    UtteranceHeard,
    UtterancePaused,
)

from .barge_in import BargeInDetector
from .joined_utterances import said
from .local_agreement import words
from .microphone_state import Microphones, MicrophoneState
from .recognisers import Recogniser, Recognisers
from .speculation import Speculation
from .utterance_state import EarlyTranscript, UtteranceState

INTERIM_SECONDS = 5.0
"""Timeout (s) of an interim transcript."""
FOREIGN_IN_A_ROW = 2
"""Utterances in a row in another language, after which the user is advised."""
INTERIM_HANDLER = f"{__name__}.Transcription.transcribe_interim"
"""The handler name under which the bus counts interim transcripts that were given up."""


@define
class Transcription:
    """Requests transcripts of every utterance, and opens the turns that they make."""

    bus: Bus
    parts: Parts
    microphones: Microphones
    barge_in: BargeInDetector
    recognisers: Recognisers
    speculation: Speculation

    async def look_up_hotwords(self, event: UserStartedSpeaking) -> None:
        """Look up the names of the cast, so that the recogniser expects them."""
        conversation = event.turn.conversation
        with suppress(NotFound):  # a conversation that is not kept has no cast
            _, cast = await self.parts.storage.cast(conversation)
            if mic := self.microphones.get(conversation):
                mic.hotwords = tuple(character.name for character in cast)

    def may_overlap(self) -> bool:
        """Return whether an interim transcript may be requested while another is in flight."""
        return self.speculation.may_answer() and self.recognisers.choose().queue.has_room

    def note_languages(self, mic: MicrophoneState, languages: tuple[str, ...]) -> None:
        """Note which languages a microphone's user is likely to speak."""
        mic.languages = languages
        self.recognisers.prepare(languages)

    def _utterance(
        self, event: InterimAudio | UtterancePaused | UtteranceHeard
    ) -> UtteranceState | None:
        return self.microphones.utterance(event.turn.conversation, event.key)

    # -- before the endpoint -----------------------------------------------------------------

    async def transcribe_interim(self, event: InterimAudio) -> None:
        """Publish an interim transcript; cancelled when the utterance ends."""
        utterance, recogniser = self._utterance(event), self.recognisers.choose()
        if utterance is None or not recogniser.makes_interims:
            return  # also for the rest of this utterance
        if not utterance.is_over:  # else its final transcript comes next
            with anyio.move_on_after(INTERIM_SECONDS) as scope:
                utterance.interims.append(scope)
                try:
                    await self._interim(recogniser, utterance)
                finally:
                    utterance.interims.remove(scope)
            if scope.cancelled_caught:
                self.bus.dropped[INTERIM_HANDLER] += 1
        # not after a failure: then this utterance gets no more of them
        utterance.received += 1

    async def _interim(self, recogniser: Recogniser, utterance: UtteranceState) -> None:
        conversation = utterance.conversation
        async with recogniser.queue.slot(conversation, final=False):
            pcm = bytes(utterance.pcm)  # what came while waiting is heard too
            utterance.requested_to = len(pcm)
            request = self._request(utterance, pcm, final=False)
            text = await recogniser.transcribe(request)
        if utterance.accept_interim(text, len(pcm)):
            stable, tail = utterance.agreement.text, utterance.agreement.tail
            self.bus.post(TranscriptUpdated(self.bus.turn(conversation), stable, tail=tail))
            await self.speculation.consider(utterance)

    async def transcribe_early(self, event: UtterancePaused) -> None:
        """Make the final transcript, and a speculative turn of it, before the end is decided."""
        utterance, at = self._utterance(event), len(event.pcm)
        if utterance is None or not (utterance.pauses_at(at) and self.speculation.may_transcribe()):
            return
        early = utterance.early = EarlyTranscript(at)
        await self.speculation.consider(utterance)
        try:
            with early.scope:
                early.text = await self._transcribed(utterance, event.pcm)
        except Exception as error:
            early.failure = error  # raised where the text is needed, if it is
        finally:
            early.done.set()
        if utterance.pauses_at(at) and not early.failure:
            utterance.transcript, utterance.covered = early.text, at
            if not early.text:  # an interim transcript had words that nobody said
                self.speculation.revoke(utterance)
            await self.speculation.consider(utterance)

    def revoke_on_resume(self, event: UserResumed) -> None:
        """Revoke the speculation when the user goes on, but for a gap within a word."""
        mic = self.microphones.get(event.turn.conversation)
        utterance = mic and mic.utterance
        if utterance and utterance.pause_published:
            self.speculation.revoke(utterance)
            utterance.drop_early()

    # -- after it ----------------------------------------------------------------------------

    async def transcribe_final(self, event: UtteranceHeard) -> None:
        """Ask the recogniser for the final transcript; words in it open a turn."""
        if not event.key:
            return self._report_no_words(event)
        mic, utterance = self.microphones.get(event.turn.conversation), self._utterance(event)
        if mic and utterance:  # else the conversation was closed
            try:
                with utterance.work:
                    await self._answer_final(event, mic, utterance)
            finally:
                mic.settle(utterance)

    async def _answer_final(
        self, event: UtteranceHeard, mic: MicrophoneState, utterance: UtteranceState
    ) -> None:
        text = ""
        try:
            text = await self._final(utterance, event.pcm)
        finally:
            if not text and not utterance.work.cancel_called:
                # also after a failure: the page stops waiting
                self.speculation.revoke(utterance)
                self._report_no_words(event)
        mic.estimator.learn(utterance.signs, words(text))
        self._doubt_language(event.turn, mic, utterance.advice, text)
        if text and self.barge_in.absorbs(event.turn, text):
            self.speculation.revoke(utterance)
        elif text and not self.speculation.commit(utterance, text):
            before = self.speculation.joined.before(utterance.conversation)
            turn = self.bus.new_turn(utterance.conversation)
            self.bus.post(TranscriptUpdated(turn, text, final=True))
            await self.bus.publish(said(turn, text, before))

    def _doubt_language(self, turn: Turn, mic: MicrophoneState, advice: str, text: str) -> None:
        """Advise the user, once, after two utterances in another language; silence is neither."""
        if advice:
            mic.foreign += 1
            if mic.foreign >= FOREIGN_IN_A_ROW and not mic.was_advised:
                mic.was_advised = True
                self.bus.post(LanguageDoubted(turn, advice))
        elif text:
            mic.foreign = 0

    def _report_no_words(self, event: UtteranceHeard) -> None:
        self.bus.post(TranscriptUpdated(event.turn, "", final=True))

    async def _final(self, utterance: UtteranceState, pcm: bytes) -> str:
        if utterance.early and utterance.voiced_to <= utterance.early.covered:
            return await utterance.early.get()
        return await self._transcribed(utterance, pcm)

    async def _transcribed(self, utterance: UtteranceState, pcm: bytes) -> str:
        request = self._request(utterance, pcm, final=True)
        text = await self.recognisers.final(utterance.conversation, request)
        utterance.advice = text.advice if isinstance(text, ForeignSpeech) else ""
        return str(text)

    def _request(self, utterance: UtteranceState, pcm: bytes, *, final: bool) -> Utterance:
        mic = self.microphones.get(utterance.conversation)
        if mic is None:  # the conversation was closed
            return Utterance(utterance.key, pcm, final)
        return Utterance(utterance.key, pcm, final, mic.hotwords, mic.languages)

    def close(self, event: ConversationClosed) -> None:
        """Give up what is being done for a conversation."""
        for utterance in self.microphones.close(event.turn.conversation):
            self.speculation.revoke(utterance)
            utterance.drop()
