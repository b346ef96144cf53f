"""Measures how fast voices are on this machine, once, while nobody speaks.

A measurement waits until every backend has started, and until no turn goes on and nobody speaks. A
turn that begins meanwhile cancels it; it is made again afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from attrs import define, field

from aichat.core.backends import Tts
from aichat.core.bus.bus import Bus
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.bus.streams import CooperativeYield, IdleTimeout, closing, stalled
from aichat.core.bus.task_pool import plain_task_group
from aichat.core.errors import AichatError, BackendFailed, TimedOut
from aichat.core.events import (
    ConversationClosed,
    Interrupted,
    LinesRevived,
    SpeakersAsked,
    Speculated,
    TurnFinished,
    UserPaused,
    UserResumed,
    UserSaid,
    UserStartedSpeaking,
)
from aichat.core.models import Voice

from .selection import SLOWEST, Candidate, Parts
from .voice_speeds import VoiceSpeeds

CLAUSE = "Well, that is a good question."
RUNS = 3
"""Times that the clause is spoken once the engine is warm; the fastest counts, as others wait."""
HOPELESS = 4 * SLOWEST
"""A factor from which it is not spoken again."""
LONGEST_SECONDS = 10.0
"""Most seconds of audio that are taken in for the clause,"""
RUN_SECONDS = 20.0
"""and most seconds of work; a voice that needs longer is too slow, whatever it is."""
CALM_SECONDS = 5.0
"""Seconds since the last sign of a turn after which nobody seems to speak."""


@define(eq=False)
class VoiceProbe:
    """Measures the candidates of the part tts, in their order in ``use``."""

    bus: Bus
    parts: Parts
    speeds: VoiceSpeeds
    _changed: ChangeSignal = field(factory=ChangeSignal)
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    """The measurement that goes on."""
    _calm_at: float = 0.0
    """When nobody seems to speak, by the bus clock."""
    _speaking: set[str] = field(factory=set)
    """The conversations whose users speak."""

    def look(self) -> None:
        """Take over what is known of candidates that have become ready; a watcher of the parts."""
        for one in self.parts.roles["tts"].unmeasured():
            factor = self.speeds.of(one.name, one.speed_key)
            if factor is not None:
                one.measured(factor)
        self._changed.notify_all()

    async def run(self) -> None:
        """Measure each candidate that is ready and not known; never returns."""
        while True:
            waiting = self.parts.roles["tts"].unmeasured()
            if waiting and self.parts.is_settled():
                await self._measure(waiting[0])
            else:
                await self._changed.wait()

    async def _measure(self, one: Candidate) -> None:
        backend, key = one.backend, one.speed_key
        tap = self.bus.tap(self._notice)  # only now: it costs every event a call
        try:
            factor = await self._undisturbed(one)
        except Exception as error:  # an engine may raise anything; the user reads it
            if one.backend is backend:
                line = error.line if isinstance(error, AichatError) else repr(error)
                one.not_measured(line)
            return
        finally:
            self.bus.unsubscribe(tap)
        await to_thread.run_sync(self.speeds.keep, one.name, key, factor)
        if one.backend is backend:  # it has not failed or been restarted meanwhile
            one.measured(factor)

    async def _undisturbed(self, one: Candidate) -> float:
        while True:
            await self._calm()
            with anyio.CancelScope() as self._scope:
                return await self._factor(one.backend)

    async def _calm(self) -> None:
        """Wait until nobody speaks, has just spoken, or is about to."""
        while True:
            if (rest := self._calm_at - self.bus.clock.now()) > 0:
                await anyio.sleep(rest)
            elif self._speaking or self.bus.has_turns():
                await self._changed.wait()
            else:
                return

    def _notice(
        self,
        event: UserStartedSpeaking
        | UserResumed
        | UserPaused
        | UserSaid
        | Speculated
        | SpeakersAsked
        | LinesRevived
        | TurnFinished
        | Interrupted
        | ConversationClosed,
    ) -> None:
        """Measure nothing while there is a turn, or may be one soon."""
        if isinstance(event, UserStartedSpeaking | UserResumed):
            self._speaking.add(event.turn.conversation)
        else:
            self._speaking.discard(event.turn.conversation)
        self._calm_at = self.bus.clock.now() + CALM_SECONDS
        self._scope.cancel()
        self._changed.notify_all()

    async def _factor(self, tts: Any) -> float:
        """Return the real-time factor of a voice once it is warm."""
        try:
            await self._spoken(tts)
            fastest = await self._spoken(tts)
            for _ in range(RUNS - 1):
                if fastest < HOPELESS:
                    fastest = min(fastest, await self._spoken(tts))
            return fastest
        except TimedOut:
            return RUN_SECONDS / LONGEST_SECONDS

    async def _spoken(self, tts: Tts) -> float:
        clock = self.bus.clock

        async def work(timeout: IdleTimeout) -> float:
            began, samples, pause = clock.now(), 0, CooperativeYield(clock)
            async with closing(tts.speak(CLAUSE, Voice("probe"))) as chunks:
                async for chunk in chunks:
                    samples += len(chunk) // 2 if isinstance(chunk, bytes) else 0
                    if samples > LONGEST_SECONDS * tts.sample_rate:
                        break
                    await pause.checkpoint()
            if not samples:
                raise BackendFailed("The voice made no sound.", "Choose another one.")
            return (clock.now() - began) * tts.sample_rate / samples

        late = partial(stalled, "The voice was not measured", RUN_SECONDS)
        return await self.bus.engine_calls.run(tts, RUN_SECONDS, late, work)


@asynccontextmanager
async def voices_measured(bus: Bus, parts: Parts, speeds: VoiceSpeeds) -> AsyncIterator[None]:
    """Measure voices for the block, in the background, if there is a choice of them."""
    if len(parts.roles["tts"].candidates) < 2:
        yield
        return
    await to_thread.run_sync(speeds.load)
    probe = VoiceProbe(bus, parts, speeds)
    parts.watchers.append(probe.look)
    probe.look()
    async with plain_task_group() as tasks:
        tasks.start_soon(probe.run)
        try:
            yield
        finally:
            parts.watchers.remove(probe.look)
            tasks.cancel_scope.cancel()
