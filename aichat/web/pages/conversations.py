"""The list of conversations, and the forms that rename, delete and restore one."""

from __future__ import annotations

from functools import partial as partial_of
from typing import Annotated

from jinja2 import Environment
from litestar import Response, Router, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from markupsafe import escape

from aichat.core import BadValue, is_clean
from aichat.web.html.fragments import partial
from aichat.web.html.page import Page, Req, done, page, wants_page
from aichat.web.realtime.rooms import Rooms
from aichat.web.services.conversation_list import Listing
from aichat.web.services.pending_deletions import UNDO_SECONDS, PendingDeletions

LONGEST_TITLE = 200
LONGEST_QUERY = 1_000

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/conversations")
async def several(
    request: Req, state: State, q: FromQuery[str] = "", gone: FromQuery[str] = ""
) -> Page:
    """All conversations, or those in which some words were said; *gone* was deleted just now."""
    listing: Listing = state.listing
    query = q.strip()[:LONGEST_QUERY]
    found = await listing.entries(state.parts.storage, query if is_clean(query) else "")
    undo = gone if gone in state.pending_deletions else ""
    return page(
        request,
        "pages/conversations.html",
        conversations=found,
        conversation_id="",
        query=query,
        undo=undo,
        seconds=round(UNDO_SECONDS),
    )


@get("/c/{conversation_id:str}/edit")
async def edit(request: Req, state: State, conversation_id: FromPath[str]) -> Page:
    """Rename or delete a conversation."""
    found = await state.parts.storage.conversation(conversation_id)
    return page(request, "pages/conversation_edit.html", conversation=found)


@post("/c/{conversation_id:str}", status_code=200)
async def act(request: Req, state: State, data: Form, conversation_id: FromPath[str]) -> Page:
    """Rename a conversation, delete it, or take its deletion back."""
    pending: PendingDeletions = state.pending_deletions
    match data.get("do"):
        case "rename":
            await _rename(state, conversation_id, data.get("title", ""))
            words = "The conversation was renamed."
        case "delete":
            await state.parts.storage.conversation(conversation_id)
            pending.begin(conversation_id, partial_of(_delete, state, conversation_id))
            _show(state, partial(f"#talk-{conversation_id}", "delete", ""))
            to = f"/conversations?gone={conversation_id}"
            return Response("", status_code=303, headers={"Location": to})
        case "restore":
            pending.restore(conversation_id)
            await _show_again(state, conversation_id)
            words = "The conversation is back."
        case _:
            raise BadValue(
                "The form does not say what to do.", "Reload the page, and try again.", "do"
            )
    if wants_page(request):
        return done(f"/c/{conversation_id}", words)
    return Response(words, media_type="text/plain")


async def _delete(state: State, id: str) -> None:
    await state.parts.storage.delete_conversation(id)
    state.rooms.dismiss(id)


async def _show_again(state: State, id: str) -> None:
    """Put a conversation where it was in the list of every page."""
    listing: Listing = state.listing
    entries = await listing.entries(state.parts.storage)
    place = next((at for at, one in enumerate(entries) if one.id == id), None)
    if place is None:
        return
    jinja: Environment = state.jinja
    drawn = jinja.get_template("fragments/conversation.html").render(
        one=entries[place], conversation_id=""
    )
    if place:
        _show(state, partial(f"#talk-{entries[place - 1].id}", "afterend", drawn))
    elif len(entries) > 1:
        _show(state, partial(f"#talk-{entries[1].id}", "beforebegin", drawn))
    else:
        _show(state, partial("#conversations", "innerHTML", drawn))


async def _rename(state: State, id: str, title: str) -> None:
    title = " ".join(title.split())
    if not title or len(title) > LONGEST_TITLE or not is_clean(title):
        problem = f"A title has 1 to {LONGEST_TITLE} letters."
        raise BadValue(problem, "Write a shorter one, or any at all.", "title")
    await state.parts.storage.change_conversation(id, {"title": title})
    await state.rooms.conversation_changed(id)
    _show(state, partial(f"#talk-{id} .conversation-title", "innerHTML", str(escape(title))))


def _show(state: State, html: str) -> None:
    """Change the list on every page that is open."""
    rooms: Rooms = state.rooms
    rooms.show(html)


def routes() -> Router:
    """Return the routes of these pages."""
    return Router("/", route_handlers=[several, edit, act])
