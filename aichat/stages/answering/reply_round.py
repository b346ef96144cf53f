"""One round of a reply: what the model writes until it ends, or asks for tools."""

from __future__ import annotations

from contextlib import aclosing

from attrs import Factory, define, field

from aichat.core import (
    Bus,
    CooperativeYield,
    Llm,
    Prompt,
    Thinking,
    TimedOut,
    ToolCall,
    Usage,
)
from aichat.core.bus.streams import IdleTimeout, stalled
from aichat.toolkit.model_output.filtered_replies import ThinkingHabits, filtered_reply
from aichat.toolkit.model_output.visible_text import Withdrawn

from .reply import Reply
from .reply_bounds import ReplyBounds, WithinTime
from .speaker_filter import SpeakerFilter

TOKEN_SECONDS = 45.0
"""Timeout (s) of a model that neither writes nor thinks; backends may be stricter."""


@define
class ReplyRound:
    """Reads one stream of a language model into a *reply*, within its *bounds*."""

    bus: Bus
    reply: Reply
    bounds: ReplyBounds
    words: SpeakerFilter
    calls: list[ToolCall] = field(factory=list)
    """The tools that the model asks for."""
    breath: CooperativeYield = field(
        default=Factory(lambda self: CooperativeYield(self.bus.clock), takes_self=True)
    )

    async def read(self, llm: Llm, prompt: Prompt, habits: ThinkingHabits) -> list[ToolCall]:
        """Read until the stream ends, or another speaker's line begins, or nothing shows.

        Returns the tools that the model asks for.
        """

        async def work(waiting: IdleTimeout) -> None:
            async with aclosing(filtered_reply(llm, prompt, habits)) as deltas:
                async for delta in WithinTime(deltas, self.bus.clock, self.bounds):
                    if waiting.is_over or await self._take(delta, waiting):
                        return

        await self.bus.engine_calls.run(llm, TOKEN_SECONDS, _late, work)
        await self.reply.hand_over(await self.reply.add(self.words.flush()))
        return self.calls

    async def _take(
        self, delta: str | ToolCall | Usage | Thinking | Withdrawn, waiting: IdleTimeout
    ) -> bool:
        """Take in what the model sent; return whether the rest is another speaker's."""
        if isinstance(delta, str):
            return await self._write(delta, waiting)
        if isinstance(delta, ToolCall):
            self.calls.append(delta)
        elif isinstance(delta, Usage):
            self.reply.count(delta)
        elif isinstance(delta, Withdrawn):
            self.words.flush()
            self.words.feed("\n")  # what follows begins a line
            await self.reply.withdraw()
        else:
            self.bounds.think(self.bus.clock.now())
            waiting.renew()
            await self.breath.checkpoint()
        return False

    async def _write(self, delta: str, waiting: IdleTimeout) -> bool:
        for piece in self.bounds.slices(delta):
            made = self.reply.made
            await self.reply.take(self.words.feed(piece), waiting)
            if self.words.is_over:
                self.calls = []
                return True
            if self.reply.made > made:  # sound comes before more text
                await self.breath.give_way()
            elif not self.reply.held:
                await self.breath.checkpoint()
        return False


def _late() -> TimedOut:
    return stalled("The language model wrote nothing", TOKEN_SECONDS)
