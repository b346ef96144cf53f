"""The page to talk on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from attrs import evolve
from litestar import Router, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from aichat.core import Character, Conversation, Message, Parts, new_id
from aichat.core.events import UserSaid
from aichat.web import incoming
from aichat.web.cast_view import cast_view
from aichat.web.defaults import new_conversation
from aichat.web.listing import Listing
from aichat.web.rooms import Rooms
from aichat.web.shell import Page, Req, page
from aichat.web.views import view

SHOWN = 200
"""The last messages of a conversation that its page shows."""


async def _page(
    request: Req,
    state: State,
    conversation: Conversation | None,
    cast: Sequence[Character],
    messages: Sequence[Message],
) -> Page:
    parts: Parts = state.parts
    listing: Listing = state.listing
    shown = await cast_view(parts.storage, conversation, cast)
    return page(
        request,
        "pages/chat.html",
        conversation_id=conversation.conversation_id if conversation else "",
        title=conversation.title if conversation else None,
        cast=evolve(shown, others=state.dismissed.others(shown.others)),
        characters=cast,
        messages=[view(message) for message in messages],
        undos=state.unsaid.of(conversation.conversation_id) if conversation else (),
        conversations=await listing.entries(parts.storage),
        notices=parts.notices(),
    )


@get("/")
async def start(request: Req, state: State) -> Page:
    """A new conversation with everybody who is active; the page's socket makes it."""
    active = await state.parts.storage.characters(active=True)
    return await _page(request, state, None, state.dismissed.others(active), ())


@get("/c/{conversation_id:str}")
async def conversation(request: Req, state: State, conversation_id: FromPath[str]) -> Page:
    """One conversation."""
    storage = state.parts.storage
    if conversation_id in state.leaving:
        return page(request, "pages/conversation_gone.html", 404, conversation_id=conversation_id)
    found, cast = await storage.cast(conversation_id)
    messages = list(await state.rooms.hidden.recent(storage, conversation_id, SHOWN))
    messages += _unstored(state.rooms, conversation_id, messages)
    messages = _as_written(state.rooms, conversation_id, messages)
    return await _page(request, state, found, cast, messages)


def _unstored(rooms: Rooms, id: str, stored: Sequence[Message]) -> list[Message]:
    """Return what was said a moment ago: a page without scripts hears of it in no other way."""
    said = room.showing.said if (room := rooms.open.get(id)) else None
    if said is None or (stored and stored[-1].message_id >= said.message_id):
        return []
    return rooms.hidden.seen([said])


def _as_written(rooms: Rooms, id: str, messages: Sequence[Message]) -> list[Message]:
    """Show what is being said as it is written: the store has it as if it had been cut off."""
    room, live = rooms.open.get(id), rooms.bus.live_turn(id)
    lines = room.turns.get(live.id, ()) if room and live else ()
    going_on = {line.message_id for line in lines}.difference(room.showing.kept if room else ())
    return [
        evolve(one, interrupted=False, heard=None) if one.message_id in going_on else one
        for one in messages
    ]


Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@post("/messages", status_code=303)
async def begin(state: State, data: Form) -> Redirect:
    """Take the first message of a conversation from a page without scripts."""
    text, storage = incoming.checked_text(data.get("text", "")), state.parts.storage
    cast = state.dismissed.others(await storage.characters(active=True))
    made = await new_conversation(storage, [who.id for who in cast])
    return await _say(state, made, cast, text)


@post("/c/{conversation_id:str}/messages", status_code=303)
async def say(state: State, data: Form, conversation_id: FromPath[str]) -> Redirect:
    """Take a typed message from a page without scripts."""
    text = incoming.checked_text(data.get("text", ""))
    found, cast = await state.parts.storage.cast(conversation_id)
    return await _say(state, found, cast, text)


async def _say(
    state: State, conversation: Conversation, cast: Sequence[Character], text: str
) -> Redirect:
    rooms: Rooms = state.rooms
    id = rooms.room(conversation, cast).conversation
    await rooms.bus.publish(UserSaid(rooms.bus.new_turn(id), text, "text", new_id()))
    return Redirect(f"/c/{id}", status_code=303)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[start, conversation, begin, say])
