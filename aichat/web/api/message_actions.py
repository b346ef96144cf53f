"""Replaying, regenerating and finishing messages over REST.

The speech goes to every client in the conversation; the turn's frames go over its WebSocket.
"""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, post
from litestar.params import QueryParameter

from aichat.web.application_state import App
from aichat.web.html.page import Req, address
from aichat.web.schemas import records
from aichat.web.schemas.parameters import Id, errors
from aichat.web.schemas.records import outs
from aichat.web.services.undo.pending_deletions import UNDO_SECONDS

FromHere = Annotated[bool, QueryParameter(description="Delete what follows the message, too.")]
Fresh = Annotated[bool, QueryParameter(description="Speak it anew, even if it is there as sound.")]
Start = Annotated[
    int,
    QueryParameter(
        ge=0,
        le=2_000_000,
        description="Where to begin: an offset in letters into its `content`.",
        schema_extra={"minimum": 0},  # litestar forgets a limit of zero
    ),
]
REFUSED = errors(400, 404, 409)


class MessageActions(Controller):
    """Actions on a message of a character."""

    path = "/messages"
    tags = ("messages",)

    @post(
        "/{id:str}/regenerate",
        operation_id="regenerateMessage",
        status_code=202,
        responses=REFUSED,
    )
    async def regenerate(
        self, request: Req, app: App, id: Id, from_here: FromHere = False
    ) -> records.Regenerating:
        """Generate another version of a character's message; the old versions are kept.

        With `from_here` the messages that follow it are deleted, and it may be one of the user:
        that is said again, under a new id, and answered anew. Those that are deleted are named, and
        for some seconds `POST /messages/{id}/restore` with the first of them brings all back.
        """
        message = await app.storage.message(id)
        if not from_here:
            turn = await app.message_actions.regenerate(address(request), message)
            return records.Regenerating(turn.id, [], 0)
        turn, group = await app.message_actions.regenerate_from(address(request), message)
        gone = list(group.ids) if group else []
        return records.Regenerating(turn.id, gone, UNDO_SECONDS if gone else 0)

    @post("/{id:str}/restore", operation_id="restoreMessages", status_code=200, responses=REFUSED)
    async def restore(self, app: App, id: Id) -> list[records.Message]:
        """Bring back what was deleted a moment ago; `id` is the first of these messages."""
        return outs(records.Message, await app.deleted_messages.restore(id))

    @post("/{id:str}/play", operation_id="playMessage", status_code=202, responses=REFUSED)
    async def play(
        self, request: Req, app: App, id: Id, start: Start = 0, new_take: Fresh = False
    ) -> records.Begun:
        """Say a character's message again."""
        message = await app.storage.message(id)
        turn = await app.message_actions.play(address(request), message, start, fresh=new_take)
        return records.Begun(turn.id)

    @post("/{id:str}/say-rest", operation_id="sayRest", status_code=202, responses=REFUSED)
    async def say_rest(self, request: Req, app: App, id: Id) -> records.Begun:
        """Say what an interruption cut off of a message, and of the speakers after it."""
        turn = await app.message_actions.say_rest(address(request), await app.storage.message(id))
        return records.Begun(turn.id)
