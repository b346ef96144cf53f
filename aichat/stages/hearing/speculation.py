"""Speculation: a pause that may be the end is transcribed and answered before it is certain.

The answer is a speculative turn: only speculative subscribers see its events. It is committed if
the end is decided and the final transcript has the same words; else it is revoked.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from aichat.core import Bus, NotReady, Parts, charges
from aichat.core.events import Speculated, TranscriptUpdated, Turn

from .completeness import has_words
from .joined_utterances import JoinedUtterances, said
from .local_agreement import words
from .microphone_state import Microphones, MicrophoneState
from .utterance_state import SpeculativeAnswer, UtteranceState


@define
class Speculation:
    """Begins, commits and revokes the speculative turn of each utterance."""

    bus: Bus
    parts: Parts
    microphones: Microphones
    joined: JoinedUtterances

    def may_transcribe(self) -> bool:
        """Return whether transcripts may be made speculatively."""
        return self._may(lambda: [self.parts.stt])

    def may_answer(self) -> bool:
        """Return whether answers may be made speculatively, and their backends are ready."""
        return self._may(lambda: [self.parts.stt, self.parts.llm, self.parts.tts])

    def _may(self, who: Callable[[], list[object]]) -> bool:
        wanted = getattr(self.parts.turn, "speculate", "auto")
        if wanted == "off":
            return False
        try:
            backends = who()
        except NotReady:
            return False
        return wanted == "on" or not any(map(charges, backends))

    async def consider(self, utterance: UtteranceState) -> None:
        """Begin a speculative turn if what is now known of an utterance makes that worth while.

        An earlier one is revoked, unless it has the same words.
        """
        mic, text = self.microphones.get(utterance.conversation), utterance.hypothesis
        if mic is None or mic.is_talk_held or not text:
            return
        sign = utterance.sign()
        utterance.note(sign)
        known = utterance.answer
        if known and words(known.text) == words(text):
            return
        self.revoke(utterance)
        is_likely = has_words(text) and mic.estimator.should_speculate(sign)
        if is_likely and self._may_begin(mic, utterance):
            await self._begin(mic, utterance, text)

    def _may_begin(self, mic: MicrophoneState, utterance: UtteranceState) -> bool:
        is_idle = self.bus.live_turn(utterance.conversation) is None
        return is_idle and mic.is_next(utterance) and self.may_answer()

    async def _begin(self, mic: MicrophoneState, utterance: UtteranceState, text: str) -> None:
        turn = self.bus.speculative_turn(utterance.conversation)
        before, now = self.joined.before(utterance.conversation), self.bus.clock.now()
        utterance.answer = SpeculativeAnswer(turn, text, before, now, mic.estimator)
        self.bus.post(TranscriptUpdated(turn, text, final=True))
        await self.bus.publish(said(turn, text, before))

    def commit(self, utterance: UtteranceState, text: str) -> bool:
        """Commit the speculative turn if the user has said the words that it answers."""
        known = utterance.answer
        if known and self._answers(known, text) and self.bus.commit(known.turn):
            utterance.answer = None
            self._report(known, known.turn, kept=True)
            return True
        self.revoke(utterance)
        return False

    def _answers(self, known: SpeculativeAnswer, text: str) -> bool:
        """Return whether it answers these words, and the message that they join, if any."""
        before = self.joined.before(known.turn.conversation)
        return words(known.text) == words(text) and known.before == before

    def revoke(self, utterance: UtteranceState) -> None:
        """Revoke the speculative turn: it was not the end, or not these words."""
        known, utterance.answer = utterance.answer, None
        if known:
            self.bus.revoke(known.turn)
            self._report(known, self.bus.turn(utterance.conversation), kept=False)

    def _report(self, known: SpeculativeAnswer, turn: Turn, *, kept: bool) -> None:
        known.estimator.speculated.add(kept)
        seconds = self.bus.clock.now() - known.began
        self.bus.post(Speculated(turn, kept, seconds))
