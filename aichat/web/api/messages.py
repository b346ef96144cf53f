"""Messages over REST."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Controller, delete, get, post, put
from litestar.params import JSONBody

from aichat.web.application_state import App, ApplicationState
from aichat.web.schemas import records
from aichat.web.schemas.parameters import Count, Id, Limit, Of, Offset, Q, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import sent
from aichat.web.services.message_posts import check


class Messages(Controller):
    """What was said."""

    path = "/messages"
    tags = ("messages",)

    @get(operation_id="listMessages", responses=errors(400, 404))
    async def several(
        self, app: App, conversation_id: Of, limit: Limit = 50, offset: Offset = 0
    ) -> list[records.Message]:
        """Messages of a conversation, oldest first."""
        found = await app.storage.messages(str(conversation_id), limit, offset)
        return outs(records.Message, found)

    @get("/recent", operation_id="listRecentMessages", responses=errors(400, 404))
    async def recent(self, app: App, conversation_id: Of, n: Count = 50) -> list[records.Message]:
        """The last `n` messages of a conversation, oldest first."""
        found = await app.storage.recent_messages(str(conversation_id), n)
        return outs(records.Message, found)

    @get("/last", operation_id="getLastMessage", responses=errors(400, 404))
    async def last(self, app: App, conversation_id: Of) -> records.Message | None:
        """The last message of a conversation; null while nothing was said."""
        found = await app.storage.recent_messages(str(conversation_id), 1)
        return out(records.Message, found[-1]) if found else None

    @get("/search", operation_id="searchMessages", responses=errors(400))
    async def search(
        self, app: App, q: Q, limit: Limit = 50, offset: Offset = 0
    ) -> list[records.Message]:
        """Messages that hold every word of `q`, newest first."""
        return outs(records.Message, await app.storage.search_messages(q, limit, offset))

    @post(operation_id="addMessage", responses=errors(400, 404, 409))
    async def add(self, app: App, data: JSONBody[records.NewMessage]) -> records.Message:
        """Add a message. Sent again with the same `message_id`, it is there once.

        With another content under the same `message_id`: 409.
        """
        check([data], is_batch=False)
        return (await _post(app, [data]))[0]

    @post("/batch", operation_id="addMessages", responses=errors(400, 404, 409))
    async def add_several(self, app: App, data: records.Batch) -> list[records.Message]:
        """Add messages, in order: all of them or none."""
        check(data, is_batch=True)
        return await _post(app, data)

    @get("/{id:str}", operation_id="getMessage", responses=errors(400, 404))
    async def one(self, app: App, id: Id) -> records.Message:
        """One message."""
        return out(records.Message, await app.storage.message(id))

    @put("/{id:str}", operation_id="changeMessage", responses=errors(400, 404))
    async def change(
        self, app: App, id: Id, data: JSONBody[records.MessageChanges]
    ) -> records.Message:
        """Change a message's text, show another of its versions, or replace its extensions.

        Every client in the conversation is shown it at once, and characters see the new text.
        """
        return out(records.Message, await app.message_edits.change(id, **sent(data)))

    @delete("/{id:str}", operation_id="deleteMessage", status_code=200, responses=errors(400, 404))
    async def remove(self, app: App, id: Id) -> records.Deleted:
        """Delete a message; characters no longer see it."""
        await app.message_edits.delete(id)
        return records.Deleted(True, f"Message {id} was deleted.")


async def _post(
    app: ApplicationState, bodies: Sequence[records.NewMessage]
) -> list[records.Message]:
    kept, added = await app.posted.add(app.parts, bodies)
    app.rooms.messages_added(added)
    return outs(records.Message, kept)
