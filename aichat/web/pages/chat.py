"""The page to talk on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from attrs import evolve
from litestar import Router, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from aichat.core import Character, Conversation, new_id
from aichat.core.events import UserSaid
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.cast_view import cast_view
from aichat.web.html.fragments import MessageView, bubbles, view
from aichat.web.html.page import Page, Req, address, page
from aichat.web.realtime.room import Room
from aichat.web.schemas import client_frames
from aichat.web.settings.conversation_defaults import begun

SHOWN = 200
"""The last messages of a conversation that its page shows."""


async def _page(
    request: Req,
    app: ApplicationState,
    conversation: Conversation | None,
    cast: Sequence[Character],
    messages: Sequence[MessageView],
) -> Page:
    shown = await cast_view(app.storage, conversation, cast)
    return page(
        request,
        "pages/chat.html",
        conversation_id=conversation.conversation_id if conversation else "",
        title=conversation.title if conversation else None,
        cast=evolve(shown, others=app.deleted_characters.remaining(shown.others)),
        characters=cast,
        messages=messages,
        undos=app.deleted_messages.of(conversation.conversation_id) if conversation else (),
        conversations=await app.listing.entries(app.storage),
        notices=app.parts.notices(),
        statuses=app.parts.fetchable(),
    )


@get("/")
async def start(request: Req, app: App) -> Page:
    """A new conversation with everybody who is active; the page's socket makes it."""
    active = await app.storage.characters(active=True)
    return await _page(request, app, None, app.deleted_characters.remaining(active), ())


@get("/c/{conversation_id:str}")
async def conversation(request: Req, app: App, conversation_id: FromPath[str]) -> Page:
    """One conversation."""
    storage = app.storage
    if conversation_id in app.deleted_conversations:
        return page(request, "pages/conversation_gone.html", 404, conversation_id=conversation_id)
    found, cast = await storage.cast(conversation_id)
    messages = await app.rooms.hidden.recent(storage, conversation_id, SHOWN)
    views = {message.message_id: view(message) for message in messages}
    _add_present(views, app.rooms.open.get(conversation_id))
    return await _page(request, app, found, cast, list(views.values()))


def _add_present(views: dict[str, MessageView], room: Room | None) -> None:
    """Add live lines, and recent messages that may not be stored yet."""
    if room is None:
        return
    for message in room.present.earlier():
        views.setdefault(message.message_id, view(message))
    for id, bubble in bubbles(room.present.lately()).items():
        if bubble is None:
            views.pop(id, None)
        else:
            views[id] = bubble


Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@post("/messages", status_code=303)
async def begin(request: Req, app: App, data: Form) -> Redirect:
    """Take the first message of a conversation from a page without scripts."""
    text = client_frames.checked_text(data.get("text", ""))
    app.rooms.paces.turns.request(None, address(request)).take()  # before anything is made
    made, cast = await begun(app.storage, choose=app.deleted_characters.remaining)
    return await _say(app, made, cast, text)


@post("/c/{conversation_id:str}/messages", status_code=303)
async def say(request: Req, app: App, data: Form, conversation_id: FromPath[str]) -> Redirect:
    """Take a typed message from a page without scripts."""
    text = client_frames.checked_text(data.get("text", ""))
    found, cast = await app.storage.cast(conversation_id)
    app.rooms.paces.turns.request(conversation_id, address(request)).take()
    return await _say(app, found, cast, text)


async def _say(
    app: ApplicationState, conversation: Conversation, cast: Sequence[Character], text: str
) -> Redirect:
    id = app.rooms.room(conversation, cast).conversation
    await app.rooms.bus.publish(UserSaid(app.rooms.bus.new_turn(id), text, "text", new_id()))
    return Redirect(f"/c/{id}", status_code=303)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[start, conversation, begin, say])
