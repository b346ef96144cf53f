"""The recognisers that transcribe: the best that is ready, each with a queue of its own.

A recogniser that cannot be stopped (it may be stuck in a thread, or in a shield) is left behind, as
every engine is (:mod:`aichat.core.bus.engine_calls`), and does not hold up what is said next.
"""

from __future__ import annotations

import logging

from attrs import Factory, define, field

from aichat.core import Bus, ForeignSpeech, Parts, Stt, TimedOut, Utterance
from aichat.core.bus.streams import IdleTimeout
from aichat.core.registry.standby import Standby
from aichat.toolkit.transcripts.hallucinations import spoken
from aichat.toolkit.transcripts.plausibility import transcript

from .stt_queue import SttQueue

log = logging.getLogger(__name__)

STT_SECONDS = 30.0
"""Timeout (s) of a final transcript."""


@define
class Recogniser:
    """A recogniser and the queue of requests for it."""

    stt: Stt
    queue: SttQueue

    @property
    def makes_interims(self) -> bool:
        """Whether it wants to be asked before an utterance is over."""
        return bool(getattr(self.stt, "guesses", True))

    async def transcribe(self, utterance: Utterance) -> str:
        """Return the words of an utterance, without those that a recogniser makes up in silence.

        A final transcript may be ForeignSpeech.

        Here, and not in the backends, so that it holds for every one of them. Raises
        :class:`BackendFailed` for what is no transcript.
        """
        text = await self.stt.transcribe(utterance)
        words = spoken(transcript(text, utterance))
        if utterance.final and isinstance(text, ForeignSpeech):
            return ForeignSpeech(words, text.advice)
        return words


@define
class Recognisers:
    """Chooses a recogniser for each request."""

    bus: Bus
    parts: Parts
    asked: list[Recogniser] = field(factory=list)
    """Those that were asked and are still ready."""
    standby: Standby = field(
        default=Factory(
            lambda self: Standby(self.bus.clock, self.parts, "stt", self.bus.engine_calls.stuck),
            takes_self=True,
        )
    )

    def choose(self) -> Recogniser:
        """Return the best recogniser that is ready and has not just stalled."""
        stt = self.standby.choose()
        for one in self.asked:
            if one.stt is stt:
                return one
        ready = self.parts.roles["stt"].ready()
        self.asked = [one for one in self.asked if any(one.stt is r for r in ready)]
        new = Recogniser(stt, SttQueue(getattr(stt, "max_concurrent", None)))
        self.asked.append(new)
        return new

    def prepare(self, languages: tuple[str, ...]) -> None:
        """Let every recogniser that is ready prepare for languages."""
        for stt in self.parts.roles["stt"].ready():
            if prepare := getattr(stt, "prepare", None):
                prepare(languages)

    async def final(self, conversation: str, utterance: Utterance) -> str:
        """Return the final transcript; after a stall ask the next recogniser that is ready."""
        stalled: list[Stt] = []
        while True:
            recogniser = self.choose()
            try:
                return await self._asked(recogniser, conversation, utterance)
            except (TimeoutError, TimedOut) as error:
                stalled.append(recogniser.stt)
                self.standby.rest(recogniser.stt)
                if self.standby.choose(stalled) is None:
                    if isinstance(error, TimedOut):  # it says so itself
                        raise
                    raise _late() from error
                log.warning("A recogniser has stalled; another is asked for a while.")

    async def _asked(self, recogniser: Recogniser, conversation: str, utterance: Utterance) -> str:
        async def work(_: IdleTimeout) -> str:
            async with recogniser.queue.slot(conversation, final=True):
                return await recogniser.transcribe(utterance)

        return await self.bus.engine_calls.run(recogniser.stt, STT_SECONDS, _late, work)


def _late() -> TimedOut:
    return TimedOut(
        f"What you said was not transcribed within {STT_SECONDS:g} seconds.",
        "Say it again, or choose another recogniser under [stt] in plugins.toml.",
    )
