"""All rooms of this process: opened by the first connection, closed a while after the last left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from aichat.core import Bus, Character, Conversation, Message, Parts
from aichat.core.events import ConversationClosed, Interrupted, MessageAdded

from .room import Connection, Room
from .views import Painter
from .wire import StatusOut

LINGER_SECONDS = 60.0
"""An empty room stays so long, for a client that comes back."""

DELETED = "This conversation was deleted. Begin a new one."


@define(eq=False)
class Rooms:
    """Keeps a room for each conversation that somebody is in."""

    bus: Bus
    parts: Parts
    painter: Painter
    tasks: TaskGroup
    open: dict[str, Room] = field(factory=dict)
    closing: dict[str, anyio.CancelScope] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.parts.watchers.append(self.tell_status)

    def tell_status(self) -> None:
        """Tell everybody who serves now."""
        for room in self.open.values():
            room.send(StatusOut(notices=self.parts.notices()))

    def room(self, conversation: Conversation, cast: Sequence[Character]) -> Room:
        """Return the conversation's room; it closes when nobody comes."""
        id = conversation.conversation_id
        if (room := self.open.get(id)) is None:
            room = self.open[id] = Room(id, self.bus, self.parts, self.painter)
            room.listen()
            self._close_later(id)
        room.cast = cast
        return room

    async def conversation_changed(self, id: str) -> None:
        """Show those who are in a conversation its cast and title as they are now."""
        if room := self.open.get(id):
            conversation, cast = await self.parts.storage.cast(id)
            room.change(conversation.title, cast)

    async def character_changed(self, id: str) -> None:
        """Show a character as it is now wherever it takes part."""
        for room in list(self.open.values()):
            if any(who.id == id for who in room.cast):
                await self.conversation_changed(room.conversation)

    def messages_added(self, messages: Iterable[Message]) -> None:
        """Let those who are in a conversation know what was added from outside."""
        for message in messages:
            if message.conversation_id in self.open:
                self.bus.post(MessageAdded(self.bus.turn(message.conversation_id), message))

    def dismiss(self, id: str) -> None:
        """Let those go who are in a conversation that was deleted."""
        if room := self.open.get(id):
            if live := self.bus.live_turn(id):
                self.bus.interrupt(Interrupted(live, "deleted"))
            room.dismiss(
                "conversation_not_found", "This conversation was deleted. Begin a new one."
            )

    @contextmanager
    def joined(self, room: Room, connection: Connection) -> Iterator[None]:
        """Be in the room; the last one to leave stops the characters."""
        if scope := self.closing.pop(room.conversation, None):
            scope.cancel()
        room.connections.add(connection)
        room.has_pages = room.has_pages or connection.wants_html
        try:
            yield
        finally:
            room.connections.discard(connection)
            if not room.connections:
                if live := self.bus.live_turn(room.conversation):
                    self.bus.interrupt(Interrupted(live, "left"))
                self._close_later(room.conversation)

    def _close_later(self, conversation: str) -> None:
        scope = self.closing[conversation] = anyio.CancelScope()
        self.tasks.start_soon(self._close, conversation, scope)

    async def _close(self, conversation: str, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(LINGER_SECONDS)
            del self.closing[conversation], self.open[conversation]
            self.bus.post(ConversationClosed(self.bus.turn(conversation)))
            self.bus.forget(conversation)
