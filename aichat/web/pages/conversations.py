"""The list of conversations, and the forms that rename, delete and restore one."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from markupsafe import escape

from aichat.core import BadValue, is_storable
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.fragments import partial
from aichat.web.html.page import Page, Req, done, page, wants_page
from aichat.web.services.undo.pending_deletions import UNDO_SECONDS

LONGEST_TITLE = 200
LONGEST_QUERY = 1_000

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/conversations")
async def several(
    request: Req, app: App, q: FromQuery[str] = "", gone: FromQuery[str] = ""
) -> Page:
    """All conversations, or those in which some words were said; *gone* was deleted just now."""
    query = q.strip()[:LONGEST_QUERY]
    found = await app.listing.entries(app.storage, query if is_storable(query) else "")
    undo = gone if gone in app.deleted_conversations else ""
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
async def edit(request: Req, app: App, conversation_id: FromPath[str]) -> Page:
    """Rename or delete a conversation."""
    found = await app.storage.conversation(conversation_id)
    return page(request, "pages/conversation_edit.html", conversation=found)


@post("/c/{conversation_id:str}", status_code=200)
async def act(request: Req, app: App, data: Form, conversation_id: FromPath[str]) -> Page:
    """Rename a conversation, delete it, or restore it."""
    match data.get("do"):
        case "rename":
            await _rename(app, conversation_id, data.get("title", ""))
            words = "The conversation was renamed."
        case "delete":
            await app.deleted_conversations.begin(conversation_id)
            to = f"/conversations?gone={conversation_id}"
            return Response("", status_code=303, headers={"Location": to})
        case "restore":
            await app.deleted_conversations.restore(conversation_id)
            words = "The conversation is back."
        case _:
            raise BadValue(
                "The form does not say what to do.", "Reload the page, and try again.", "do"
            )
    if wants_page(request):
        return done(f"/c/{conversation_id}", words)
    return Response(words, media_type="text/plain")


async def _rename(app: ApplicationState, id: str, title: str) -> None:
    title = " ".join(title.split())
    if not title or len(title) > LONGEST_TITLE or not is_storable(title):
        problem = f"A title has 1 to {LONGEST_TITLE} letters."
        raise BadValue(problem, "Write one within that length.", "title")
    await app.storage.change_conversation(id, {"title": title})
    await app.rooms.conversation_changed(id)
    app.rooms.show(partial(f"#talk-{id} .conversation-title", "innerHTML", str(escape(title))))


def routes() -> Router:
    """Return the routes of these pages."""
    return Router("/", route_handlers=[several, edit, act])
