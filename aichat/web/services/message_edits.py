"""Changes and deletes messages, for the API and the pages.

Clients in the conversation are sent the change at once, and models get the new text. One request
at a time changes a message, so that no change is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from litestar.datastructures import State

from aichat.core import Message, Parts
from aichat.toolkit.message_versions import chosen, edited
from aichat.web.realtime.rooms import Rooms

from .message_posts import Posted


async def change(
    state: State,
    id: str,
    *,
    content: str | None = None,
    version: int | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Message:
    """Change the given fields; return the message. Raises NotFound, or BadValue for a version."""
    parts, rooms, posted = _of(state)
    async with posted.with_all([id]):
        before = message = await parts.storage.message(id)
        if extensions is not None:
            message = evolve(message, extensions=extensions)
        if version is not None:
            message = chosen(message, version)
        if content is not None and content != message.content:
            message = edited(message, content)
        if message != before:
            await parts.storage.add_message(message)
            rooms.message_changed(message)
    return message


async def delete(state: State, id: str) -> Message:
    """Delete a message for good; return it. Raises NotFound."""
    parts, rooms, posted = _of(state)
    async with posted.with_all([id]):
        message = await parts.storage.message(id)
        await parts.storage.delete_message(id)
        rooms.message_deleted(message)
        state.listing.forget(message.conversation_id)  # a deletion is no activity
    return message


def _of(state: State) -> tuple[Parts, Rooms, Posted]:
    return state.parts, state.rooms, state.posted
