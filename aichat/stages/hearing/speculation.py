"""Speculation: a pause that may be the end is transcribed and answered before it is certain.

The answer is a speculative turn: only speculative subscribers see its events. It is committed if
the end is decided and the final transcript has the same words; else it is revoked.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from attrs import define, field

from aichat.core import Bus, NotReady, Parts, charges, new_id
from aichat.core.events import Speculated, TranscriptUpdated, Turn, UserSaid

from .completeness import has_words
from .endpoint_odds import EndpointOdds, Sign
from .local_agreement import words


@define(eq=False)
class Final:
    """A final transcript that is made before the end is decided."""

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
    began: float
    odds: EndpointOdds


@define
class Speculation:
    """Keeps at most one speculative turn in each conversation."""

    bus: Bus
    parts: Parts
    answers: dict[str, SpeculativeAnswer] = field(factory=dict)

    def may_write(self) -> bool:
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

    async def speculate(self, conversation: str, text: str, odds: EndpointOdds, sign: Sign) -> None:
        """Begin a speculative turn for *text*, if that is worth while.

        An earlier one is revoked, unless it has the same words.
        """
        known = self.answers.get(conversation)
        if known and words(known.text) == words(text):
            return
        self.revoke(conversation)
        is_idle = self.bus.live_turn(conversation) is None
        if is_idle and has_words(text) and odds.is_worth(sign) and self.may_answer():
            turn = self.bus.speculative_turn(conversation)
            self.answers[conversation] = SpeculativeAnswer(turn, text, self.bus.clock.now(), odds)
            self.bus.post(TranscriptUpdated(turn, text, final=True))
            await self.bus.publish(UserSaid(turn, text, "voice", new_id()))

    def commit(self, conversation: str, text: str) -> bool:
        """Commit the speculative turn if the user has said the words that it answers."""
        known = self.answers.get(conversation)
        if known and words(known.text) == words(text) and self.bus.commit(known.turn):
            del self.answers[conversation]
            self._report(known, known.turn, kept=True)
            return True
        self.revoke(conversation)
        return False

    def revoke(self, conversation: str) -> None:
        """Revoke the speculative turn: it was not the end, or not these words."""
        if known := self.answers.pop(conversation, None):
            self.bus.revoke(known.turn)
            self._report(known, self.bus.turn(conversation), kept=False)

    def _report(self, known: SpeculativeAnswer, turn: Turn, *, kept: bool) -> None:
        known.odds.begun.add(kept)
        seconds = self.bus.clock.now() - known.began
        self.bus.post(Speculated(turn, kept, seconds))
