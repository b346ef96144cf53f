"""Replays: lines said again, rewritten, or finished after an interruption, and their texts."""

from __future__ import annotations

from attrs import define, evolve

from aichat.core import Bus, Message, NotFound, Parts, PerConversation, new_id
from aichat.core.events import Line, LinesRevived, ReplayWanted, RestWanted, RewriteWanted

from .conversation_lines import ConversationLines
from .interrupted_lines import unheard

Wanted = RestWanted | ReplayWanted | RewriteWanted


@define
class Replays:
    """Finds the lines that the user wants. *lines* are those of the stage."""

    bus: Bus
    parts: Parts
    lines: PerConversation[ConversationLines]

    async def revive(self, event: Wanted) -> None:
        """Publish the lines to be said; the answering stage says them."""
        said: list[tuple[Line, str]] = []
        try:
            if isinstance(event, RestWanted):
                said = await self._rest(event)
            else:
                said = [await self._message_again(event)]
        finally:  # also after a failure, so that the turn ends
            lines, texts = [line for line, _ in said], [text for _, text in said]
            await self.bus.publish(LinesRevived(event.turn, tuple(lines), tuple(texts)))

    async def _rest(self, event: RestWanted) -> list[tuple[Line, str]]:
        """Return the unheard rest of a message, and the lines of its turn that left none."""
        rests = self.lines.of(event.turn.conversation).unheard
        message = rests.messages.get(event.message_id) or await self._message(event)
        if not message.interrupted:
            raise NotFound("There is nothing left to say of that message.", "Ask for it in words.")
        rest = [(message.character_id or "", message.name or "", unheard(message))]
        rest += [(line.character, line.name, text) for line, text in rests.after(message)]
        wanted = [one for one in rest if one[2].strip() or one is not rest[0]]
        return [
            (Line(event.turn, who, place, new_id(), name), text)
            for place, (who, name, text) in enumerate(wanted)
        ]

    async def _message_again(self, event: ReplayWanted | RewriteWanted) -> tuple[Line, str]:
        """Return the line that says a message once more, or another version of it."""
        message = await self._message(event)
        _, cast = await self.parts.storage.cast(event.turn.conversation)
        who = next((one for one in cast if one.id == message.character_id), None)
        if message.role != "assistant" or who is None:
            raise NotFound(
                "Nobody here has said that message.", "Put its character into the conversation."
            )
        again = Line(event.turn, who.id, 0, message.message_id, message.name or who.name)
        if isinstance(event, RewriteWanted):
            line = evolve(again, says="version")
            self.lines.of(event.turn.conversation).replaced[line] = message
            return line, ""
        return evolve(again, says="take" if event.fresh else "again"), message.content[
            event.start :
        ]

    async def _message(self, event: Wanted) -> Message:
        message = await self.parts.storage.message(event.message_id)
        if message.conversation_id != event.turn.conversation:
            raise NotFound("That message is in another conversation.", "Open that one first.")
        return message
