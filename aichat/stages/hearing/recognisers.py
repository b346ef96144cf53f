"""The recognisers that transcribe: the best that is ready, each with a queue of its own.

A final transcript is made in a lane of its own, so that a recogniser that cannot be stopped (it may
be stuck in a thread, or in a shield) is left behind, and does not hold up what is said next.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import anyio
from attrs import Factory, define, field, frozen

from aichat.core import BackendFailed, Bus, Parts, Stt, TimedOut, Utterance
from aichat.core.events import Event
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

        Here, and not in the backends, so that it holds for every one of them. Raises
        :class:`BackendFailed` for what is no transcript.
        """
        return spoken(transcript(await self.stt.transcribe(utterance), utterance))


@define(eq=False)
class Transcript:
    """A final transcript that is being made."""

    recogniser: Recogniser
    conversation: str
    utterance: Utterance
    text: str | None = None
    failure: Exception | None = None
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    done: anyio.Event = field(factory=anyio.Event)

    async def make(self) -> None:
        """Wait for a place, and ask the recogniser."""
        try:
            with self.scope:
                async with self.recogniser.queue.slot(self.conversation, final=True):
                    self.text = await self.recogniser.transcribe(self.utterance)
        except Exception as error:
            self.failure = error  # raised where the text is waited for
        finally:
            self.done.set()

    async def get(self) -> str:
        """Wait for the text. Raises what the recogniser raises."""
        try:
            await self.done.wait()
        finally:
            self.scope.cancel()
        if self.failure:
            raise self.failure
        if self.text is None:
            raise BackendFailed("The speech recogniser gave up.", "Say it again.")
        return self.text


@frozen
class TranscriptDue(Event):
    """A final transcript is to be made now."""

    transcript: Transcript = field(repr=False)

    urgent: ClassVar[bool] = True
    internal: ClassVar[bool] = True


@define
class Recognisers:
    """Chooses a recogniser for each request."""

    bus: Bus
    parts: Parts
    asked: list[Recogniser] = field(factory=list)
    """Those that were asked and are still ready."""
    standby: Standby = field(
        default=Factory(lambda self: Standby(self.bus.clock, self.parts, "stt"), takes_self=True)
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

    async def final(self, conversation: str, utterance: Utterance) -> str:
        """Return the final transcript; after a stall ask the next recogniser that is ready."""
        stalled: list[Stt] = []
        while True:
            recogniser = self.choose()
            due = Transcript(recogniser, conversation, utterance)
            self.bus.post(TranscriptDue(self.bus.turn(conversation), due))
            try:
                with anyio.fail_after(STT_SECONDS):
                    return await due.get()
            except (TimeoutError, TimedOut) as error:
                stalled.append(recogniser.stt)
                self.standby.rest(recogniser.stt)
                if self.standby.choose(stalled) is None:
                    raise _late(error) from error
                log.warning("A recogniser has stalled; another is asked for a while.")

    async def make(self, event: TranscriptDue) -> None:
        """Make a transcript; it is cancelled by the handler that waits for it."""
        await event.transcript.make()


def _late(error: Exception) -> TimedOut:
    if isinstance(error, TimedOut):  # it says so itself
        return error
    return TimedOut(
        f"What you said was not transcribed within {STT_SECONDS:g} seconds.",
        "Say it again, or choose another recogniser under [stt] in plugins.toml.",
    )
