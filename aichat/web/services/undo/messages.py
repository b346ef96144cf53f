"""Messages whose deletion is pending: clients do not see them, but the store still has them.

Messages deleted together are restored together. Every page of the conversation offers that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from attrs import define, field, frozen
from jinja2 import Environment
from markupsafe import escape

from aichat.core import Message, NotFound, Parts
from aichat.web.html.fragments import last_line, partial
from aichat.web.realtime.rooms import Rooms
from aichat.web.services.conversation_list import Listing

from .pending_deletions import PendingDeletions

PAGE = 200


@frozen
class PendingMessageDeletion:
    """Messages deleted together; *key* is the id of the first, *notice* the text of the toast."""

    conversation: str
    ids: tuple[str, ...]
    notice: str

    @property
    def key(self) -> str:
        """The id of the first message."""
        return self.ids[0]

    @property
    def address(self) -> str:
        """The address that restores the messages."""
        return f"/c/{self.conversation}/messages/{self.key}"


@define(eq=False)
class DeletedMessages:
    """Hides messages, then deletes them after a delay, by *delete*, or restores them."""

    parts: Parts
    rooms: Rooms
    pending: PendingDeletions
    listing: Listing
    jinja: Environment
    delete: Callable[[str], Awaitable[Message]]
    groups: dict[str, PendingMessageDeletion] = field(factory=dict)

    def of(self, conversation: str) -> list[PendingMessageDeletion]:
        """Return a conversation's deletions that can be undone."""
        return [one for one in self.groups.values() if one.conversation == conversation]

    async def after(self, message: Message) -> list[str]:
        """Return the ids of the messages after a message that are not hidden."""
        found: list[str] = []
        last, home = message.message_id, message.conversation_id
        room = self.rooms.open.get(home)
        newest = list(room.showing.kept) if room else []
        while page := await self.parts.storage.messages(home, PAGE, after=last):
            found += [one.message_id for one in page]
            last = found[-1]
        found += [id for id in newest if id not in found and not await self._is_stored(id)]
        return [id for id in found if id not in self.rooms.hidden.of(home)]

    async def _is_stored(self, id: str) -> bool:
        """Return whether the store has a message yet; the newest may still be on its way to it."""
        try:
            await self.parts.storage.message(id)
        except NotFound:
            return False
        return True

    async def begin(self, home: str, ids: Sequence[str], notice: str) -> PendingMessageDeletion:
        """Hide messages, and delete them after the delay, oldest first, unless they are restored.

        Raises NotFound when the deletion of one of them is pending already.
        """
        if set(ids) & set(self.rooms.hidden.of(home)):
            raise NotFound("That message was deleted already.", "Reload the page.")
        group = self.groups[ids[0]] = PendingMessageDeletion(home, tuple(ids), notice)

        async def delete() -> None:
            await self._delete(group)

        self.pending.begin(f"message {group.key}", delete)
        self.rooms.hide(home, ids)
        gone = "".join(partial(f"#m-{id}", "delete", "") for id in ids)
        undo = self.jinja.get_template("fragments/undo.html").render(group=group)
        self.rooms.show_in(home, gone + partial("#toasts", "beforeend", undo))
        await self._show_last(home)
        return group

    async def restore(self, key: str) -> list[Message]:
        """Restore messages; return those that were not deleted for good meanwhile.

        Raises NotFound when it is too late, or *key* is not the first of them.
        """
        self.pending.restore(f"message {key}")
        group = self.groups.pop(key)
        self.rooms.reveal(group.conversation, group.ids)
        messages = await self._messages(group)
        drawn = await self._drawn(group.conversation, messages)
        self.rooms.show_in(group.conversation, _settled(group) + drawn)
        await self._show_last(group.conversation)
        return messages

    async def _messages(self, group: PendingMessageDeletion) -> list[Message]:
        found: list[Message] = []
        for id in group.ids:
            with suppress(NotFound):
                found.append(await self.parts.storage.message(id))
        return found

    async def _delete(self, group: PendingMessageDeletion) -> None:
        del self.groups[group.key]
        home, left = group.conversation, list(group.ids)
        self.rooms.show_in(home, _settled(group))
        try:
            while left:
                try:
                    await self.delete(left[0])
                except NotFound:  # already deleted, or not yet in the store
                    self.rooms.message_gone(home, left[0])
                self.rooms.hidden.drop(home, [left.pop(0)])
        finally:  # what the store could not delete is shown again
            self.rooms.reveal(home, left)

    async def _drawn(self, conversation: str, messages: Sequence[Message]) -> str:
        """Render restored messages, each after the message that it followed."""
        if (room := self.rooms.open.get(conversation)) is None:
            return ""
        runs: dict[str, list[Message]] = {}  # by the target that they follow
        heads: dict[str, str] = {}  # message id -> the target of the run that it is in
        for message in messages:
            before = await self._before(message)
            head = heads.get(before, f"#m-{before}" if before else "")
            heads[message.message_id] = head
            runs.setdefault(head, []).append(message)
        return "".join(room.painter.behind(head, run, room.cast) for head, run in runs.items())

    async def _before(self, message: Message) -> str:
        """Return the id of the last message before this one that is not hidden, or ""."""
        home, id = message.conversation_id, message.message_id
        with suppress(NotFound):  # it was deleted meanwhile
            while earlier := await self.parts.storage.recent_messages(home, 1, before=id):
                if self.rooms.hidden.visible(earlier):
                    return earlier[0].message_id
                id = earlier[0].message_id
        return ""

    async def _show_last(self, conversation: str) -> None:
        """Update the last message in every list of conversations."""
        self.listing.forget(conversation)  # a deletion is no activity
        try:
            said = await self.rooms.hidden.recent(self.parts.storage, conversation, 1)
        except NotFound:
            return  # it was deleted meanwhile
        target = f"#talk-{conversation} .conversation-last"
        line = escape(last_line(said[-1])) if said else ""
        self.rooms.show(partial(target, "innerHTML", line))


def _settled(group: PendingMessageDeletion) -> str:
    return partial(f"#undo-{group.key}", "delete", "")
