"""What is asked of a character's message: another version of it, to hear it again, or its rest.

Whoever comes to the conversation meanwhile hears it; nobody has to be there.
"""

from __future__ import annotations

from litestar.datastructures import State

from aichat.core import Conflict, Message
from aichat.core.events import Event, Interrupted, ReplayWanted, RestWanted, RewriteWanted, Turn

from .rooms import Rooms
from .unsaid import Group, Unsaid


async def regenerate(state: State, message: Message) -> Turn:
    """Have another version of a message written. Raises Conflict when nobody can."""
    turn = await _turn(state, message)
    return await _wanted(state, RewriteWanted(turn, message.message_id))


async def regenerate_from(state: State, message: Message) -> tuple[Turn, Group | None]:
    """Likewise, and take away what follows it; that can be taken back for a while."""
    turn = await _turn(state, message)  # whoever speaks stops: nothing more follows
    try:
        group = await _taken_away(state, message)
    except BaseException:
        state.rooms.bus.interrupt(Interrupted(turn, "failed"))  # so that the turn ends
        raise
    return await _wanted(state, RewriteWanted(turn, message.message_id)), group


async def _taken_away(state: State, message: Message) -> Group | None:
    """Take away what follows a message, if anything does."""
    unsaid: Unsaid = state.unsaid
    after = await unsaid.after(message)
    if not after:
        return None
    told = "The message after it was deleted."
    if len(after) > 1:
        told = f"The {len(after)} messages after it were deleted."
    return await unsaid.begin(message.conversation_id, after, told)


async def play(state: State, message: Message, start: int, *, fresh: bool) -> Turn:
    """Say a message again, from a letter of it on. Raises Conflict when nobody can."""
    turn = await _turn(state, message)
    return await _wanted(state, ReplayWanted(turn, message.message_id, start, fresh))


async def say_rest(state: State, message: Message) -> Turn:
    """Say what an interruption cut off. Raises Conflict when there is nothing."""
    if not message.interrupted:
        raise Conflict("There is nothing left to say of that message.", "Play it again.")
    turn = await _turn(state, message)
    return await _wanted(state, RestWanted(turn, message.message_id))


async def _turn(state: State, message: Message) -> Turn:
    """Open a turn for the character that has said it; what goes on is interrupted."""
    rooms: Rooms = state.rooms
    conversation, cast = await rooms.parts.storage.cast(message.conversation_id)
    here = {who.id for who in cast}
    if message.role != "assistant" or message.character_id not in here:
        raise Conflict(
            "Nobody here has said that message.", "Put its character into the conversation."
        )
    rooms.room(conversation, cast)  # what is said reaches whoever comes
    return rooms.bus.new_turn(message.conversation_id)


async def _wanted(state: State, event: Event) -> Turn:
    await state.rooms.bus.publish(event)
    return event.turn
