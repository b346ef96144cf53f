"""Actions on a message: regenerate it, play it again, or say its rest.

Who comes to the conversation meanwhile hears it; nobody has to be there. *client* is the address
that asks: its limits are charged.
"""

from __future__ import annotations

from attrs import frozen

from aichat.core import Conflict, Message, new_id
from aichat.core.events import (
    Event,
    Interrupted,
    ReplayWanted,
    RestWanted,
    RewriteWanted,
    Turn,
    UserSaid,
)
from aichat.web.realtime.rooms import Rooms

from .undo.messages import DeletedMessages, PendingMessageDeletion


@frozen
class MessageActions:
    """Opens a turn for each action; *deleted* hides what a regeneration replaces."""

    rooms: Rooms
    deleted: DeletedMessages

    async def regenerate(self, client: str | None, message: Message) -> Turn:
        """Have another version of a message written. Raises Conflict when nobody can."""
        turn = await self._turn(client, message)
        return await self._wanted(RewriteWanted(turn, message.message_id))

    async def regenerate_from(
        self, client: str | None, message: Message
    ) -> tuple[Turn, PendingMessageDeletion | None]:
        """Likewise, and delete what follows it; that can be undone for a while.

        A message of the user is said again, and answered as a new one.
        """
        is_own = message.role == "user"
        turn = await self._turn(client, message, by_its_speaker=not is_own)  # whoever speaks stops
        try:
            group = await self._delete_after(message, with_itself=is_own)
        except BaseException:
            self.rooms.bus.interrupt(Interrupted(turn, "failed"))  # so that the turn ends
            raise
        if is_own:  # it is said again, and answered again
            said = UserSaid(turn, message.content, message.source, new_id())
            return await self._wanted(said), group
        return await self._wanted(RewriteWanted(turn, message.message_id)), group

    async def _delete_after(
        self, message: Message, *, with_itself: bool
    ) -> PendingMessageDeletion | None:
        """Delete the messages after one, and perhaps that one; None if there are none."""
        after = await self.deleted.after(message)
        notice = "The message after it was deleted."
        if len(after) > 1:
            notice = f"The {len(after)} messages after it were deleted."
        elif not after:
            notice = "It was said again."
        gone = [message.message_id, *after] if with_itself else after
        return await self.deleted.begin(message.conversation_id, gone, notice) if gone else None

    async def play(self, client: str | None, message: Message, start: int, *, fresh: bool) -> Turn:
        """Say a message again, from a letter of it on. Raises Conflict when nobody can."""
        turn = await self._turn(client, message)
        return await self._wanted(ReplayWanted(turn, message.message_id, start, fresh))

    async def say_rest(self, client: str | None, message: Message) -> Turn:
        """Say what an interruption cut off. Raises Conflict when there is nothing."""
        if not message.interrupted:
            raise Conflict("There is nothing left to say of that message.", "Play it again.")
        turn = await self._turn(client, message)
        return await self._wanted(RestWanted(turn, message.message_id))

    async def _turn(
        self, client: str | None, message: Message, *, by_its_speaker: bool = True
    ) -> Turn:
        """Open a turn, perhaps for the character that has said it; what goes on is interrupted.

        Raises Conflict or RateLimited, and then nothing was interrupted.
        """
        conversation, cast = await self.rooms.parts.storage.cast(message.conversation_id)
        here = {who.id for who in cast}
        if by_its_speaker and (message.role != "assistant" or message.character_id not in here):
            raise Conflict(
                "No character here has said that message.",
                "Put its character into the conversation.",
            )
        self.rooms.paces.turns.request(message.conversation_id, client).take()
        self.rooms.room(conversation, cast)  # what is said reaches whoever comes
        return self.rooms.bus.new_turn(message.conversation_id)

    async def _wanted(self, event: Event) -> Turn:
        await self.rooms.bus.publish(event)
        return event.turn
