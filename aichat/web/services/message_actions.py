"""Actions on a message: regenerate it, play it again, or say its rest.

Who comes to the conversation meanwhile hears it; nobody has to be there. *client* is the address
that asks: its limits are charged.
"""

from __future__ import annotations

from litestar.datastructures import State

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


async def regenerate(state: State, client: str | None, message: Message) -> Turn:
    """Have another version of a message written. Raises Conflict when nobody can."""
    turn = await _turn(state, client, message)
    return await _wanted(state, RewriteWanted(turn, message.message_id))


async def regenerate_from(
    state: State, client: str | None, message: Message
) -> tuple[Turn, PendingMessageDeletion | None]:
    """Likewise, and take away what follows it; that can be taken back for a while.

    A message of the user is said again, and answered as a new one.
    """
    is_own = message.role == "user"
    turn = await _turn(state, client, message, by_its_speaker=not is_own)  # whoever speaks stops
    try:
        group = await _taken_away(state, message, with_itself=is_own)
    except BaseException:
        state.rooms.bus.interrupt(Interrupted(turn, "failed"))  # so that the turn ends
        raise
    if is_own:  # it is said again, and answered again
        said = UserSaid(turn, message.content, message.source, new_id())
        return await _wanted(state, said), group
    return await _wanted(state, RewriteWanted(turn, message.message_id)), group


async def _taken_away(
    state: State, message: Message, *, with_itself: bool
) -> PendingMessageDeletion | None:
    """Delete the messages after one, if there are any, and perhaps the message itself."""
    deleted: DeletedMessages = state.deleted_messages
    after = await deleted.after(message)
    notice = "The message after it was deleted."
    if len(after) > 1:
        notice = f"The {len(after)} messages after it were deleted."
    elif not after:
        notice = "It was said again."
    gone = [message.message_id, *after] if with_itself else after
    return await deleted.begin(message.conversation_id, gone, notice) if gone else None


async def play(
    state: State, client: str | None, message: Message, start: int, *, fresh: bool
) -> Turn:
    """Say a message again, from a letter of it on. Raises Conflict when nobody can."""
    turn = await _turn(state, client, message)
    return await _wanted(state, ReplayWanted(turn, message.message_id, start, fresh))


async def say_rest(state: State, client: str | None, message: Message) -> Turn:
    """Say what an interruption cut off. Raises Conflict when there is nothing."""
    if not message.interrupted:
        raise Conflict("There is nothing left to say of that message.", "Play it again.")
    turn = await _turn(state, client, message)
    return await _wanted(state, RestWanted(turn, message.message_id))


async def _turn(
    state: State, client: str | None, message: Message, *, by_its_speaker: bool = True
) -> Turn:
    """Open a turn, perhaps for the character that has said it; what goes on is interrupted.

    Raises Conflict or RateLimited, and then nothing was interrupted.
    """
    rooms: Rooms = state.rooms
    conversation, cast = await rooms.parts.storage.cast(message.conversation_id)
    here = {who.id for who in cast}
    if by_its_speaker and (message.role != "assistant" or message.character_id not in here):
        raise Conflict(
            "No character here has said that message.", "Put its character into the conversation."
        )
    rooms.paces.turns.request(message.conversation_id, client).take()
    rooms.room(conversation, cast)  # what is said reaches whoever comes
    return rooms.bus.new_turn(message.conversation_id)


async def _wanted(state: State, event: Event) -> Turn:
    await state.rooms.bus.publish(event)
    return event.turn
