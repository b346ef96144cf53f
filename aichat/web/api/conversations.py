"""Conversations over REST. Every client in a conversation is shown its changes at once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from aichat.core import Conversation
from aichat.web.application_state import App, ApplicationState
from aichat.web.schemas import records
from aichat.web.schemas.parameters import Id, Limit, Offset, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import sent
from aichat.web.settings.conversation_defaults import new_conversation

ConversationId = Annotated[UUID, PathParameter(description="The conversation.")]
REFUSED = errors(400, 404)


class Conversations(Controller):
    """Who talks, in which order, with which settings."""

    path = "/conversations"
    tags = ("conversations",)

    @get(operation_id="listConversations", responses=errors(400))
    async def several(
        self, app: App, limit: Limit = 50, offset: Offset = 0
    ) -> list[records.Conversation]:
        """Conversations, newest activity first."""
        return outs(records.Conversation, await app.storage.conversations(limit, offset))

    @get("/{conversation_id:uuid}", operation_id="getConversation", responses=REFUSED)
    async def one(self, app: App, conversation_id: ConversationId) -> records.Conversation:
        """One conversation."""
        found = await app.storage.conversation(str(conversation_id))
        return out(records.Conversation, found)

    @post(operation_id="createConversation", responses=errors(400, 404, 409))
    async def add(self, app: App, data: JSONBody[records.NewConversation]) -> records.Conversation:
        """Make a conversation; nobody is in it unless `active_characters` says so."""
        made = await new_conversation(
            app.storage,
            data.active_characters,
            id=str(data.conversation_id or ""),
            title=data.title,
            chosen=sent(data.settings),
        )
        return out(records.Conversation, made)

    @put("/{conversation_id:uuid}", operation_id="changeConversation", responses=REFUSED)
    async def change(
        self,
        app: App,
        conversation_id: ConversationId,
        data: JSONBody[records.ConversationChanges],
    ) -> records.Conversation:
        """Change the fields that are sent; of `settings`, those that are named."""
        changed = sent(data)
        if not isinstance(data.settings, records.SettingsChanges):
            return await _change(app, conversation_id, changed)
        del changed["settings"]
        wanted = sent(data.settings)
        made = await app.rooms.change_settings(str(conversation_id), wanted, changed)
        return out(records.Conversation, made)

    @put("/{conversation_id:uuid}/characters", operation_id="changeCast", responses=REFUSED)
    async def recast(
        self, app: App, conversation_id: ConversationId, data: records.NewCast
    ) -> records.Conversation:
        """Say who takes part, in speaking order."""
        return await _change(app, conversation_id, {"active_characters": data})

    @post(
        "/{conversation_id:uuid}/characters/{character_id:str}",
        operation_id="joinConversation",
        responses=REFUSED,
    )
    async def join(
        self, app: App, conversation_id: ConversationId, character_id: Id
    ) -> records.Conversation:
        """Put a character at the end of the cast; one that is in it stays where it is."""
        id = str(conversation_id)
        async with app.rooms.record_locks.with_all([id]):
            joined = await app.storage.join_conversation(id, character_id)
        return await _published(app, joined)

    @delete(
        "/{conversation_id:uuid}/characters/{character_id:str}",
        operation_id="leaveConversation",
        status_code=200,
        responses=REFUSED,
    )
    async def leave(
        self, app: App, conversation_id: ConversationId, character_id: Id
    ) -> records.Deleted:
        """Take a character out of the cast."""
        id = str(conversation_id)
        async with app.rooms.record_locks.with_all([id]):
            left = await app.storage.leave_conversation(id, character_id)
        await _published(app, left)
        return records.Deleted(True, f"Character {character_id} has left the conversation.")

    @delete(
        "/{conversation_id:uuid}",
        operation_id="deleteConversation",
        status_code=200,
        responses=REFUSED,
    )
    async def remove(self, app: App, conversation_id: ConversationId) -> records.Deleted:
        """Delete a conversation and its messages; its clients are notified and disconnected."""
        id = str(conversation_id)
        await app.storage.delete_conversation(id)
        app.rooms.dismiss(id)
        return records.Deleted(True, f"Conversation {id} was deleted.")


async def _change(app: ApplicationState, id: UUID, changed: dict[str, Any]) -> records.Conversation:
    async with app.rooms.record_locks.with_all([str(id)]):
        made = await app.storage.change_conversation(str(id), changed)
    return await _published(app, made)


async def _published(app: ApplicationState, conversation: Conversation) -> records.Conversation:
    await app.rooms.conversation_changed(conversation.conversation_id)
    return out(records.Conversation, conversation)
