"""Changes and deletes messages, for the API and the pages.

Clients in the conversation are sent the change at once, and models get the new text. One request
at a time changes a message, so that no change is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve
from litestar.datastructures import State

from aichat.core import Message, Parts
from aichat.toolkit.message_versions import chosen, edited
from aichat.web.realtime.rooms import Rooms


async def change(
    state: State,
    id: str,
    *,
    content: str | None = None,
    version: int | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Message:
    """Change what is given; return the message. Raises NotFound, or BadValue for a version."""

    def changed(message: Message) -> Message:
        if extensions is not None:
            message = evolve(message, extensions=extensions)
        if version is not None:
            message = chosen(message, version)
        if content is not None and content != message.content:
            message = edited(message, content)
        return message

    async with state.posted.with_all([id]):
        while (message := await _written(state, id, changed)) is None:
            pass  # its line has ended meanwhile: what it has become is changed
    return message


async def _written(state: State, id: str, changed: Callable[[Message], Message]) -> Message | None:
    """Write a message as it is *changed*; None if it has become another meanwhile."""
    parts, rooms = _of(state)
    async with parts.writes.settled(id):
        before = await parts.storage.message(id)
        if (message := changed(before)) != before:
            await parts.storage.add_message(message)
        if parts.writes.is_pending(id):
            return None
        if message != before:
            rooms.message_changed(message)
        return message


async def delete(state: State, id: str) -> Message:
    """Delete a message for good; return what it was. Raises NotFound."""
    parts, rooms = _of(state)
    async with state.posted.with_all([id]), parts.writes.settled(id):
        message = await parts.storage.message(id)
        await parts.storage.delete_message(id)
        parts.writes.discard(id)
        rooms.message_deleted(message)
        state.listing.forget(message.conversation_id)  # a deletion is no activity
    return message


def _of(state: State) -> tuple[Parts, Rooms]:
    return state.parts, state.rooms
