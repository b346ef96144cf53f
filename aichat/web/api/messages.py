"""Messages over REST."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Controller, delete, get, post, put
from litestar.datastructures import State
from litestar.params import JSONBody

from aichat.web.schemas import records
from aichat.web.schemas.parameters import Count, Id, Limit, Of, Offset, Q, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import sent
from aichat.web.services import message_edits
from aichat.web.services.message_posts import Posted, check

from .dependencies import rooms, storage


class Messages(Controller):
    """What was said."""

    path = "/messages"
    tags = ("messages",)

    @get(operation_id="listMessages", responses=errors(400, 404))
    async def several(
        self, state: State, conversation_id: Of, limit: Limit = 50, offset: Offset = 0
    ) -> list[records.Message]:
        """Messages of a conversation, oldest first."""
        found = await storage(state).messages(str(conversation_id), limit, offset)
        return outs(records.Message, found)

    @get("/recent", operation_id="listRecentMessages", responses=errors(400, 404))
    async def recent(
        self, state: State, conversation_id: Of, n: Count = 50
    ) -> list[records.Message]:
        """The last `n` messages of a conversation, oldest first."""
        found = await storage(state).recent_messages(str(conversation_id), n)
        return outs(records.Message, found)

    @get("/last", operation_id="getLastMessage", responses=errors(400, 404))
    async def last(self, state: State, conversation_id: Of) -> records.Message | None:
        """The last message of a conversation; null while nothing was said."""
        found = await storage(state).recent_messages(str(conversation_id), 1)
        return out(records.Message, found[-1]) if found else None

    @get("/search", operation_id="searchMessages", responses=errors(400))
    async def search(
        self, state: State, q: Q, limit: Limit = 50, offset: Offset = 0
    ) -> list[records.Message]:
        """Messages that hold every word of `q`, newest first."""
        return outs(records.Message, await storage(state).search_messages(q, limit, offset))

    @post(operation_id="addMessage", responses=errors(400, 404, 409))
    async def add(self, state: State, data: JSONBody[records.NewMessage]) -> records.Message:
        """Add a message. Sent again with the same `message_id`, it is there once.

        With another content under the same `message_id`: 409.
        """
        check([data], is_batch=False)
        return (await _post(state, [data]))[0]

    @post("/batch", operation_id="addMessages", responses=errors(400, 404, 409))
    async def add_several(self, state: State, data: records.Batch) -> list[records.Message]:
        """Add messages, in order: all of them or none."""
        check(data, is_batch=True)
        return await _post(state, data)

    @get("/{id:str}", operation_id="getMessage", responses=errors(400, 404))
    async def one(self, state: State, id: Id) -> records.Message:
        """One message."""
        return out(records.Message, await storage(state).message(id))

    @put("/{id:str}", operation_id="changeMessage", responses=errors(400, 404))
    async def change(
        self, state: State, id: Id, data: JSONBody[records.MessageChanges]
    ) -> records.Message:
        """Change a message's text, show another of its versions, or replace its extensions.

        Every client in the conversation is shown it at once, and characters see the new text.
        """
        return out(records.Message, await message_edits.change(state, id, **sent(data)))

    @delete("/{id:str}", operation_id="deleteMessage", status_code=200, responses=errors(400, 404))
    async def remove(self, state: State, id: Id) -> records.Deleted:
        """Delete a message; characters no longer see it."""
        await message_edits.delete(state, id)
        return records.Deleted(True, f"Message {id} was deleted.")


async def _post(state: State, bodies: Sequence[records.NewMessage]) -> list[records.Message]:
    posted: Posted = state.posted
    kept, added = await posted.add(state.parts, bodies)
    rooms(state).messages_added(added)
    return outs(records.Message, kept)
