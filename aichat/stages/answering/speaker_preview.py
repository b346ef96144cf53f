"""Previews who would answer a draft, by the same rules that decide when it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from aichat.core import Bus, Parts
from aichat.core.events import DraftWritten, SpeakersForeseen
from aichat.core.turn_rules import TurnContext, read_rules

from .mentions import addressed
from .turn_taking import choose_speakers, explain_silence


@frozen
class SpeakerPreview:
    """Publishes who would answer a draft.

    *last_speaker* returns who spoke last in a conversation, as the answer will see it.
    """

    bus: Bus
    parts: Parts
    last_speaker: Callable[[str], Awaitable[str | None]]

    async def foresee(self, event: DraftWritten) -> None:
        """Publish who would answer; the turn that goes on is not touched."""
        id = event.turn.conversation
        conversation, cast = await self.parts.storage.cast(id)
        rules, last = read_rules(conversation.settings), await self.last_speaker(id)
        context = TurnContext(last, event.turn.number + 1)
        speakers = choose_speakers(event.text, cast, rules, context)
        by_dice = rules.strategy.is_random and not addressed(event.text, cast, last)
        note = "" if speakers else explain_silence(event.text, cast, rules)
        ids = tuple(who.id for who in speakers)
        asker = event.writer, event.number
        self.bus.post(SpeakersForeseen(event.turn, ids, *asker, note, by_dice))
