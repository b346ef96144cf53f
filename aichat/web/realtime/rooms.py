"""All rooms of this process: opened for the first client, closed some time after the last left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup
from attrs import Factory, define, field

from aichat.core import Bus, Character, Conversation, FieldChanges, Message, NotFound, Parts
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.bus.task_pool import TaskPool
from aichat.core.events import (
    ConversationClosed,
    Interrupted,
    LoudspeakerLeft,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    MessagesRevealed,
    PlaybackPaused,
    PlaybackResumed,
)
from aichat.web.access.turn_limits import Paces
from aichat.web.html.cast_view import cast_view
from aichat.web.html.fragments import Painter
from aichat.web.schemas.server_frames import Html, StatusOut

from .conversation_settings import Choose, Settings, change_settings
from .hidden_messages import HiddenMessages
from .outbox import Connection, Goodbye
from .record_locks import RecordLocks
from .room import Room
from .sessions import LINGER_SECONDS, Session

STOPS = Goodbye(1012, "The server is stopping. Connect again in a moment.")
DELETED = "This conversation was deleted. Begin a new one."


@define(eq=False)
class Rooms:
    """The open rooms, one for each conversation that has clients."""

    bus: Bus
    parts: Parts
    painter: Painter
    tasks: TaskGroup
    paces: Paces
    crew: TaskPool = field(default=Factory(lambda self: TaskPool(self.tasks), takes_self=True))
    """Tasks that write to the clients."""
    open: dict[str, Room] = field(factory=dict)
    closing: dict[str, anyio.CancelScope] = field(factory=dict)
    hidden: HiddenMessages = field(factory=HiddenMessages)
    record_locks: RecordLocks = field(factory=RecordLocks)
    """Locks of the conversations and characters that are being changed."""
    somebody_left: ChangeSignal = field(factory=ChangeSignal)
    """Notified when a client disconnects."""
    onlookers: list[Callable[[str], None]] = field(factory=list)
    """Pages that show the list of conversations but are in no room: each takes HTML fragments."""

    def __attrs_post_init__(self) -> None:
        self.parts.watchers.append(self.send_status)

    def send_status(self) -> None:
        """Send every client the notices about the parts."""
        for room in self.open.values():
            room.send(StatusOut(notices=self.parts.notices()))
        html = self.painter.fetchable(self.parts)
        for id in self.open:
            self.show_in(id, html)

    def show(self, html: str) -> None:
        """Send an HTML fragment to every open page, in any conversation."""
        for onlooker in self.onlookers:
            onlooker(html)
        for room in self.open.values():
            if room.has_pages:
                room.send(Html(html=html), pages_only=True)

    def show_in(self, conversation: str, html: str) -> None:
        """Send an HTML fragment to the pages of one conversation."""
        if (room := self.open.get(conversation)) and room.has_pages and html:
            room.send(Html(html=html), pages_only=True)

    def room(self, conversation: Conversation, cast: Sequence[Character]) -> Room:
        """Return the conversation's room; open it if need be. It closes when no client joins."""
        id = conversation.conversation_id
        if (room := self.open.get(id)) is None:
            room = self.open[id] = Room(id, self.bus, self.parts, self.painter)
            room.listen()
            self._close_later(id)
            if ids := self.hidden.of(id):
                self.bus.post(MessagesHidden(self.bus.turn(id), ids))
        room.cast = cast
        return room

    async def conversation_changed(self, id: str) -> None:
        """Send the clients of a conversation its cast and title as they are now."""
        if room := self.open.get(id):
            room.looks = look = room.looks + 1
            storage = self.parts.storage
            try:
                conversation, cast = await storage.cast(id)
            except NotFound:
                return  # it was deleted meanwhile, and the deletion informs its clients
            view = await cast_view(storage, conversation, cast)
            if look == room.looks:  # else a later read sends what is newer
                room.change(conversation, view)

    async def change_settings(
        self, id: str, wanted: Settings | Choose, changes: FieldChanges | None = None
    ) -> Conversation:
        """Change settings and fields of a conversation, and send them to its clients."""
        changed = await change_settings(self.parts.storage, self.record_locks, id, wanted, changes)
        await self.conversation_changed(id)
        return changed

    def knows(self, conversation: str | None, session: str | None) -> bool:
        """Return whether this client was in the conversation within the last minute."""
        room = self.open.get(conversation or "")
        return room is not None and (session or "") in room.sessions.by_id

    async def character_changed(self, id: str) -> None:
        """Send a changed character to the clients of every conversation that it is in."""
        for room in list(self.open.values()):
            if any(who.id == id for who in room.cast):
                await self.conversation_changed(room.conversation)

    def messages_added(self, messages: Iterable[Message]) -> None:
        """Publish messages that were added from outside, in conversations with open rooms."""
        for message in messages:
            if message.conversation_id in self.open:
                self.bus.post(MessageAdded(self.bus.turn(message.conversation_id), message))

    def message_changed(self, message: Message) -> None:
        """Publish a changed message, if its conversation's room is open."""
        if (id := message.conversation_id) in self.open:
            self.bus.post(MessageAdded(self.bus.turn(id), message, changed=True))

    def message_deleted(self, message: Message) -> None:
        """Publish that a message was deleted, if its conversation's room is open."""
        self.message_gone(message.conversation_id, message.message_id)

    def message_gone(self, conversation: str, id: str) -> None:
        """As :meth:`message_deleted`, for a message that the store may not have had yet."""
        if conversation in self.open:
            self.bus.post(MessageDeleted(self.bus.turn(conversation), id))

    def hide(self, conversation: str, ids: Sequence[str]) -> None:
        """Hide messages from clients and models; they may be restored."""
        self.hidden.add(conversation, ids)
        if conversation in self.open:
            self.bus.post(MessagesHidden(self.bus.turn(conversation), tuple(ids)))

    def reveal(self, conversation: str, ids: Sequence[str]) -> None:
        """Show hidden messages again."""
        self.hidden.drop(conversation, ids)
        if ids and conversation in self.open:
            self.bus.post(MessagesRevealed(self.bus.turn(conversation), tuple(ids)))

    def dismiss(self, id: str) -> None:
        """Disconnect the clients of a conversation that was deleted."""
        if room := self.open.get(id):
            if live := self.bus.live_turn(id):
                self.bus.interrupt(Interrupted(live, "deleted"))
            room.dismiss("conversation_not_found", DELETED)

    async def part(self, seconds: float) -> None:
        """Disconnect every client as the server stops; wait for that at most *seconds*."""
        for room in self.open.values():
            room.part(STOPS)
        with anyio.move_on_after(seconds):
            while any(room.connections for room in self.open.values()):
                await self.somebody_left.wait()

    @contextmanager
    def joined(self, room: Room, connection: Connection, session: Session) -> Iterator[None]:
        """Keep a connection in the room within the ``with`` block.

        When the last one is cut off, playback pauses until it reconnects. Playback is interrupted
        when its page was left, or when another client joins.
        """
        if scope := self.closing.pop(room.conversation, None):
            scope.cancel()
        room.connections.add(connection)
        room.has_pages = room.has_pages or connection.wants_html
        try:
            yield
        finally:
            room.connections.discard(connection)
            room.leave(session, connection)
            self.somebody_left.notify_all()
            if room.connections and not session.visits:
                turn = self.bus.turn(room.conversation)
                self.bus.post(LoudspeakerLeft(turn, session.id))
            elif not room.connections:
                self._empty(room, connection)
                self._close_later(room.conversation)

    def _empty(self, room: Room, last: Connection) -> None:
        if live := self.bus.live_turn(room.conversation):
            if last.said_farewell:
                self.bus.interrupt(Interrupted(live, "left"))
            else:
                room.waits_in = live
                self.bus.post(PlaybackPaused(live, "away"))

    def wake(self, room: Room, *, resumed: bool) -> None:
        """Resume playback that was paused for a lost client, or interrupt it if another joined."""
        waiting, room.waits_in = room.waits_in, None
        if waiting is None or self.bus.live_turn(room.conversation) != waiting:
            return
        if resumed:
            self.bus.post(PlaybackResumed(waiting, "away"))
        else:
            self.bus.interrupt(Interrupted(waiting, "left"))

    def _close_later(self, conversation: str) -> None:
        scope = self.closing[conversation] = anyio.CancelScope()
        self.tasks.start_soon(self._close, conversation, scope)

    async def _close(self, conversation: str, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(LINGER_SECONDS)
            if self.closing.get(conversation) is not scope:
                return  # a client joined at the very moment
            if live := self.bus.live_turn(conversation):
                self.bus.interrupt(Interrupted(live, "left"))
            del self.closing[conversation], self.open[conversation]
            self.bus.post(ConversationClosed(self.bus.turn(conversation)))
