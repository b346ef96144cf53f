"""Actions on one message, as forms that work without scripts, and the page that inspects it."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from aichat.core import BadValue, Message, NotFound
from aichat.toolkit.message_versions import shown, versions
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.fragments import view
from aichat.web.html.latency_chart import stages, waterfall
from aichat.web.html.page import Page, Req, address, done, page, wants_page
from aichat.web.schemas import client_frames

TURNS = 50
"""Most turns of a conversation that are drawn: its last ones."""

TOOK = {
    "model": "Model",
    "prompt_tokens": "Tokens read",
    "reply_tokens": "Tokens written",
    "retries": "Asked again, as it began with another's name",
}

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@post("/c/{conversation_id:str}/messages/{message_id:str}", status_code=200)
async def act(
    request: Req,
    app: App,
    data: Form,
    conversation_id: FromPath[str],
    message_id: FromPath[str],
) -> Page:
    """Edit, delete or rewrite a message, or show another of its versions."""
    told = await _done(request, app, data, await _message(app, conversation_id, message_id))
    return _answer(request, f"/c/{conversation_id}#m-{message_id}", told)


async def _done(request: Req, app: ApplicationState, data: dict[str, str], message: Message) -> str:
    """Do what the form asks for; return what to say of it, if anything."""
    id = message.message_id
    if "version" in data:
        await app.message_edits.change(id, version=_number(data["version"]))
        return ""
    match data.get("do"):
        case "edit":
            text = client_frames.checked_text(data.get("text", ""))
            await app.message_edits.change(id, content=text)
            return "The message was changed."
        case "delete":
            await app.deleted_messages.begin(
                message.conversation_id, [id], "The message was deleted."
            )
            return ""  # every window tells, and offers to take it back
        case "restore":
            await app.deleted_messages.restore(id)
            return "It is back."
        case "regenerate":
            await app.message_actions.regenerate(address(request), message)
            return ""
        case "regenerate-from":
            await app.message_actions.regenerate_from(address(request), message)
            return ""
    raise BadValue("The form does not say what to do.", "Reload the page, and try again.", "do")


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise BadValue(f"{text[:20]!r} is no version.", "Choose one that is there.", "version")
    return int(text)


def _answer(request: Req, to: str, words: str) -> Page:
    """Redirect a browser to the page *to*; a script of the page gets the words alone."""
    if not wants_page(request):
        return Response(words, media_type="text/plain")
    if words:
        return done(to, words)
    return Response("", status_code=303, headers={"Location": to})


@get("/c/{conversation_id:str}/messages/{message_id:str}/edit")
async def edit(
    request: Req, app: App, conversation_id: FromPath[str], message_id: FromPath[str]
) -> Page:
    """The page to edit or delete a message."""
    message = await _message(app, conversation_id, message_id)
    return page(request, "pages/message_edit.html", message=message)


@get("/c/{conversation_id:str}/messages/{message_id:str}/inspect")
async def inspect(
    request: Req, app: App, conversation_id: FromPath[str], message_id: FromPath[str]
) -> Page:
    """Inspect a message: its prompt, model, usage and latency."""
    message = await _message(app, conversation_id, message_id)
    timed = app.metrics.turns.get(message.turn_id)
    return page(
        request,
        "pages/message_inspect.html",
        message=message,
        view=view(message),
        prompt=app.prompts.by_message.get(message.message_id),
        usage=_usage(message),
        versions=versions(message),
        version=shown(message),
        waterfall=waterfall(timed) if timed else None,
    )


@get("/c/{conversation_id:str}/turns")
async def turns(request: Req, app: App, conversation_id: FromPath[str]) -> Page:
    """How long the turns of a conversation took."""
    found = await app.storage.conversation(conversation_id)
    kept = app.metrics.turns.values()
    timed = [event for event in kept if event.turn.conversation == conversation_id][-TURNS:]
    drawn = [(event, waterfall(event)) for event in reversed(timed)]
    return page(
        request,
        "pages/turns.html",
        conversation=found,
        turns=drawn,
        stages=stages(timed),
    )


async def _message(app: ApplicationState, conversation: str, id: str) -> Message:
    message = await app.storage.message(id)
    if message.conversation_id != conversation:
        raise NotFound("That message is in another conversation.", "Open that one first.")
    return message


def _usage(message: Message) -> list[tuple[str, str]]:
    """Return the usage of a reply as rows of text; clients may have stored anything there."""
    usage = message.extensions.get("usage")
    if not isinstance(usage, dict):
        return []
    rows = [
        (words, str(usage[name]))
        for name, words in TOOK.items()
        if isinstance(usage.get(name), str | int)
    ]
    if isinstance(cost := usage.get("cost"), int | float):
        rows.append(("Cost", f"${cost:.6f}".rstrip("0").rstrip(".")))
    return rows


def routes() -> Router:
    """Return the routes of these pages."""
    return Router("/", route_handlers=[act, edit, inspect, turns])
