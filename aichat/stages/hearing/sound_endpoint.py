"""Endpoints by sound: in each pause, asks the turn detector how the end sounded."""

from __future__ import annotations

import anyio
from attrs import define

from aichat.core import Bus, Parts, SoundJudge, TimedOut
from aichat.core.events import UtterancePaused

from .microphone_state import Microphones
from .speculation import Speculation

JUDGE_SECONDS = 5.0
"""Timeout (s) of judging by sound whether the utterance is over."""


@define
class SoundJudgement:
    """Adds to an utterance the endpoint probability by sound, if the turn detector judges sound."""

    bus: Bus
    parts: Parts
    microphones: Microphones
    speculation: Speculation

    async def judge(self, event: UtterancePaused) -> None:
        """Ask the turn detector how the end sounded."""
        detector, conversation = self.parts.turn, event.turn.conversation
        mic = self.microphones.get(conversation)
        utterance = self.microphones.utterance(conversation, event.key)
        if mic is None or utterance is None or not isinstance(detector, SoundJudge):
            return
        try:
            with anyio.fail_after(JUDGE_SECONDS):
                judged = float(await detector.finished(event.pcm))
        except Exception as error:  # the silence decides without it
            if mic.should_report(error, self.bus.clock.now()):
                raise _late(error) from error
            return
        if utterance.pauses_at(len(event.pcm)):
            utterance.sound = judged
            await self.speculation.consider(utterance)


def _late(error: Exception) -> Exception:
    if not isinstance(error, TimeoutError):
        return error
    problem = f"How the end sounded was not judged within {JUDGE_SECONDS:g} seconds."
    return TimedOut(problem, "Choose another backend under [turn] in plugins.toml.")
