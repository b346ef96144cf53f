"""What is heard becomes text: guesses while the user speaks, the final transcript at the end.

In a pause that may be the end, the final transcript and the answer are begun ahead of the decision.
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
from aichat.toolkit.transcript_check import transcript
from aichat.toolkit.transcript_filter import spoken

from .barge_in import Gate
from .local_agreement import words
from .microphone_state import Ear
from .speculation import Ahead, Final
from .stt_queue import Sharing

log = logging.getLogger(__name__)

GUESS_SECONDS = 5.0
"""A live transcript that takes longer is given up."""
STT_SECONDS = 30.0
"""The longest wait for a final transcript."""
JUDGE_SECONDS = 5.0
"""How the end sounded is of no use later than this."""
AT_ONCE = 2
"""So many live transcripts of one utterance may be made at once, where the recogniser has room."""
GUESSES = f"{__name__}.Writing.guess"
"""Under this name the bus counts guesses that were given up."""


@define
class Recogniser:
    """What writes speech down now, and who may use it."""

    stt: Stt
    sharing: Sharing

    async def written(self, utterance: Utterance) -> str:
        """Return the words of an utterance: what a recogniser makes up where nobody speaks is none.

        Here, and not in the backends, so that it holds for every one of them. Raises
        :class:`BackendFailed` for what is no transcript.
        """
        return spoken(transcript(await self.stt.transcribe(utterance), utterance))


@define
class Writing:
    """Asks the recogniser, for every conversation."""

    bus: Bus
    parts: Parts
    ear: Callable[[str], Ear]
    gate: Gate
    recognisers: list[Recogniser] = field(factory=list)
    """Those that were asked, as long as they may."""
    standby: Standby = field(
        default=Factory(lambda self: Standby(self.bus.clock, self.parts, "stt"), takes_self=True)
    )
    ahead: Ahead = field(default=Factory(lambda self: Ahead(self.bus, self.parts), takes_self=True))
    finals: dict[str, Final] = field(factory=dict)
    """Of utterances whose end is probable, by their keys."""

    async def meet(self, event: UserStartedSpeaking) -> None:
        """Learn the names that may be said, so that the recogniser expects them."""
        ear = self.ear(event.turn.conversation)
        with suppress(NotFound):  # a conversation that is not kept has no cast
            _, cast = await self.parts.storage.cast(event.turn.conversation)
            ear.names = tuple(character.name for character in cast)

    async def guess(self, event: InterimAudio) -> None:
        """Ask the recogniser for the live transcript; cancelled when the utterance ends."""
        conversation = event.turn.conversation
        ear = self.ear(conversation)
        if not getattr(self._recogniser().stt, "guesses", True):
            return  # also for the rest of this utterance
        if ear.key == event.key:  # else it is over; its final transcript comes next
            with anyio.move_on_after(GUESS_SECONDS) as scope:
                ear.guesses.append(scope)
                try:
                    await self._guess(conversation, ear)
                finally:
                    ear.guesses.remove(scope)
            if scope.cancelled_caught:
                self.bus.dropped[GUESSES] += 1
        if ear.key == event.key:  # not after a failure: then this utterance gets no more of them
            ear.came += 1

    async def _guess(self, conversation: str, ear: Ear) -> None:
        recogniser, key = self._recogniser(), ear.key
        async with recogniser.sharing.place(conversation, final=False):
            pcm = bytes(ear.said)  # what came while waiting is heard too
            ear.asked_at = covered = len(pcm)
            utterance = Utterance(key, pcm, final=False, hotwords=ear.names)
            text = await recogniser.written(utterance)
        if key != ear.key or covered < ear.covered:
            return  # a newer one, or the final transcript, came first
        ear.transcript, ear.covered = text, covered
        ear.words.add(text)
        turn = self.bus.turn(conversation)
        self.bus.post(TranscriptUpdated(turn, ear.words.text, tail=ear.words.tail))
        await self._suppose(conversation, ear)

    async def expect(self, event: UtterancePaused) -> None:
        """Make the final transcript, and let it be answered, before the end is decided."""
        conversation = event.turn.conversation
        ear = self.ear(conversation)
        if not (ear.is_still_in(event) and self.ahead.may_write()):
            return
        final = self.finals[event.key] = Final()
        await self._suppose(conversation, ear)
        try:
            with final.scope:
                final.text = await self._transcribed(conversation, event.key, event.pcm)
        except Exception as error:
            final.failure = error  # raised where the text is needed, if it is
        finally:
            final.done.set()
        if ear.is_still_in(event) and not final.failure:
            ear.transcript, ear.covered = final.text, len(event.pcm)
            if not final.text:  # a live transcript had words that nobody said
                self.ahead.revoke(conversation)
            await self._suppose(conversation, ear)

    async def _suppose(self, conversation: str, ear: Ear) -> None:
        if (text := ear.hypothesis) and not ear.held:
            sign = ear.sign()
            ear.odds.see(ear.key, sign, words(text))
            await self.ahead.suppose(conversation, text, ear.odds, sign)

    async def judge(self, event: UtterancePaused) -> None:
        """Ask the detector how the end sounded, if it can tell."""
        detector, ear = self.parts.turn, self.ear(event.turn.conversation)
        if not isinstance(detector, SoundJudge):
            return
        try:
            with anyio.fail_after(JUDGE_SECONDS):
                judged = float(await detector.finished(event.pcm))
        except Exception as error:  # the silence decides without it
            if ear.is_news(error, self.bus.clock.now()):
                raise _late_to_judge(error) from error
            return
        if ear.is_still_in(event):
            ear.sound = judged
            await self._suppose(event.turn.conversation, ear)

    def may_overlap(self) -> bool:
        """Tell whether a guess may be begun while another is on its way: nobody waits for it."""
        return self.ahead.may_answer() and self._recogniser().sharing.has_room

    def _recogniser(self) -> Recogniser:
        """Return who is asked now: the best that is ready and has not just stalled."""
        stt = self.standby.choose()
        for one in self.recognisers:
            if one.stt is stt:
                return one
        ready = self.parts.roles["stt"].ready()
        self.recognisers = [one for one in self.recognisers if any(one.stt is r for r in ready)]
        self.recognisers.append(
            new := Recogniser(stt, Sharing(getattr(stt, "max_concurrent", None)))
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
                self.ahead.revoke(conversation)
                self.bus.post(TranscriptUpdated(event.turn, "", final=True))
        self.ear(conversation).odds.learn(event.key, words(text))
        if text and self.gate.settles(event.turn, text):
            self.ahead.revoke(conversation)
        elif text and not self.ahead.commit(conversation, text):
            turn = self.bus.new_turn(conversation)
            self.bus.post(TranscriptUpdated(turn, text, final=True))
            await self.bus.publish(UserSaid(turn, text, "voice", new_id()))

    async def _final(self, event: UtteranceHeard) -> str:
        if final := self.finals.pop(event.key, None):
            return await final.get()
        return await self._transcribed(event.turn.conversation, event.key, event.pcm)

    async def _transcribed(self, conversation: str, key: str, pcm: bytes) -> str:
        """Ask for the final transcript; after a stall ask the next recogniser that is ready."""
        utterance = Utterance(key, pcm, final=True, hotwords=self.ear(conversation).names)
        asked: list[Stt] = []
        while True:
            recogniser = self._recogniser()
            try:
                with anyio.fail_after(STT_SECONDS):
                    async with recogniser.sharing.place(conversation, final=True):
                        return await recogniser.written(utterance)
            except (TimeoutError, TimedOut) as error:
                asked.append(recogniser.stt)
                self.standby.rest(recogniser.stt)
                if self.standby.choose(asked) is None:
                    raise _late(error) from error
                log.warning("A recogniser has stalled; another is asked for a while.")

    # -- by tap ------------------------------------------------------------------------------

    def resume(self, event: UserResumed) -> None:
        """The user goes on: what was done ahead is given up, but for a gap within a word."""
        if self.ear(event.turn.conversation).is_told:
            self._revoke(event.turn.conversation)

    def close(self, event: ConversationClosed) -> None:
        """Give up what is being done for a conversation."""
        self._revoke(event.turn.conversation)
        for recogniser in self.recognisers:
            recogniser.sharing.forget(event.turn.conversation)

    def _revoke(self, conversation: str) -> None:
        self.ahead.revoke(conversation)
        if final := self.finals.pop(self.ear(conversation).key, None):
            final.scope.cancel()


def _late(error: Exception) -> TimedOut:
    if isinstance(error, TimedOut):  # it says so itself
        return error
    return TimedOut(
        f"What you said was not written down within {STT_SECONDS:g} seconds.",
        "Say it again, or choose another recogniser under [stt] in plugins.toml.",
    )


def _late_to_judge(error: Exception) -> Exception:
    if not isinstance(error, TimeoutError):
        return error
    problem = f"How the end sounded was not judged within {JUDGE_SECONDS:g} seconds."
    return TimedOut(problem, "Choose another backend under [turn] in plugins.toml.")
