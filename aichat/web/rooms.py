"""All rooms of this process: opened by the first connection, closed a while after the last left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from aichat.core import Bus, Character, Conversation, Parts
from aichat.core.events import ConversationClosed, Interrupted

from .room import Connection, Room
from .views import Painter
from .wire import StatusOut

LINGER_SECONDS = 60.0
"""An empty room stays so long, for a client that comes back."""


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
