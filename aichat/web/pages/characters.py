"""The pages of characters: find, create, edit and try them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from attrs import evolve
from litestar import Response, Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from aichat.core import AichatError, Character, NotFound, closing
from aichat.web.api.characters import found
from aichat.web.api.images import FORM_BYTES
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.page import Page, Req, done, failed, page
from aichat.web.schemas.forms import check_form, read_form
from aichat.web.schemas.voices import LONGEST_TEXT, SENTENCE
from aichat.web.services.cards.card_import import proposals
from aichat.web.services.character_tryout import ANEW
from aichat.web.services.disconnects import while_there
from aichat.web.services.uploads.pictures import LIMIT_BYTES
from aichat.web.settings.conversation_defaults import new_conversation

from . import forms
from .card_proposal_text import described
from .character_form import NEW_VOICE, CharacterForm

FORM: dict[str, Any] = {"before_request": check_form, "request_max_body_size": FORM_BYTES}
Words = Annotated[str, QueryParameter(required=False, max_length=1_000)]
CATALOGUE_SECONDS = 3.0
"""Timeout (s) for the list of models; without it a model's name can be typed."""


@get("/characters")
async def everybody(request: Req, app: App, q: Words = "") -> Page:
    """All characters, or those that a word finds."""
    known = app.deleted_characters.remaining(await app.storage.characters())
    shown = found(known, q) if q.strip() else known
    undos = app.deleted_characters.undos()
    return page(request, "pages/characters.html", characters=known, shown=shown, q=q, undos=undos)


@get("/characters/new")
async def begin(request: Req, app: App) -> Page:
    """A new character."""
    return await _form(request, app, CharacterForm.blank())


@post("/characters/new", status_code=200, **FORM)
async def add(request: Req, app: App) -> Page:
    """Try or keep a new character."""
    sent = await read_form(request)
    return await _used(request, app, CharacterForm.read(sent), sent)


@get("/characters/{id:str}")
async def edit(request: Req, app: App, id: FromPath[str]) -> Page:
    """A character that is there."""
    who = await app.storage.character(id)
    if id in app.deleted_characters:
        return failed("/characters", f"{who.name} was deleted. Undo that first.")
    return await _form(request, app, CharacterForm.of(who))


@post("/characters/{id:str}", status_code=200, **FORM)
async def change(request: Req, app: App, id: FromPath[str]) -> Page:
    """Try or keep changes of a character."""
    known, sent = await app.storage.character(id), await read_form(request)
    return await _used(request, app, CharacterForm.read(sent, known), sent)


@post("/characters/{id:str}/active", status_code=303)
async def activate(request: Req, app: App, id: FromPath[str]) -> Page:
    """Let a character take part in new conversations, or not."""
    is_active = bool((await read_form(request)).get("is_active"))
    who = await app.storage.change_character(id, {"is_active": is_active})
    await app.rooms.character_changed(id)
    words = "takes part in new conversations" if is_active else "rests"
    return done("/characters", f"{who.name} {words}.")


@post("/characters/{id:str}/duplicate", status_code=303)
async def duplicate(app: App, id: FromPath[str]) -> Page:
    """Copy a character."""
    who = await app.storage.character(id)
    made = await app.storage.add_character(evolve(who, id="", name=f"{who.name[:90]} (copy)"))
    return done(path_of(made), f"This is a copy of {who.name}.")


@post("/characters/{id:str}/talk", status_code=303)
async def talk(app: App, id: FromPath[str]) -> Page:
    """Begin a conversation with this character alone."""
    who = await app.storage.character(id)
    made = await new_conversation(app.storage, [id])
    return done(f"/c/{made.conversation_id}", f"You are alone with {who.name}.")


@post("/characters/{id:str}/delete", status_code=303)
async def remove(app: App, id: FromPath[str]) -> Page:
    """Let a character go, unless that is undone in time; what it said stays."""
    app.deleted_characters.begin(await app.storage.character(id))
    return Response("", status_code=303, headers={"Location": "/characters"})


@post("/characters/{id:str}/restore", status_code=303)
async def restore(app: App, id: FromPath[str]) -> Page:
    """Restore a character that was deleted a moment ago."""
    try:
        name = app.deleted_characters.restore(id)
    except NotFound as error:
        return failed("/characters", error.line)
    return done("/characters", f"{name} is back.")


@post("/characters/try", status_code=200, **FORM)
async def answer(request: Req, app: App) -> Stream:
    """Answer in a character that is not kept, word by word."""
    form = CharacterForm.read(await read_form(request))
    pieces = app.tryouts.answer(app.parts, form.draft(), form.values["say"])
    first = await anext(pieces)  # an error is raised before the answer begins

    async def written() -> AsyncIterator[str]:
        async with closing(pieces):
            yield first
            try:
                async for piece in pieces:
                    yield piece
            except AichatError as error:
                yield f" [{error.line}]"

    return Stream(written, media_type="text/plain; charset=utf-8")


@post("/characters/speak", status_code=200, **FORM)
async def speak(request: Req, app: App) -> Stream:
    """Say a text in the voice that the form chooses, as it is made."""
    sent = await read_form(request)
    voice = await CharacterForm.read(sent).voice(app.storage)
    text = _beginning(forms.text(sent, "text"))
    pieces = app.previews.stream(app.parts, voice, text)
    first = await while_there(
        request, pieces.__anext__
    )  # an error is raised before the audio begins

    async def sounding() -> AsyncIterator[bytes]:
        async with closing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return Stream(sounding, media_type="audio/wav", headers={"Cache-Control": "no-store"})


def _beginning(text: str) -> str:
    """Take as many whole sentences, or words, as a preview says."""
    text = " ".join(text.split())
    if len(text) <= LONGEST_TEXT:
        return text
    cut = text[:LONGEST_TEXT]
    end = max(cut.rfind(mark) for mark in (". ", "! ", "? "))
    return cut[: end + 1] if end > 0 else cut.rpartition(" ")[0] or cut


def path_of(who: Character) -> str:
    """Return the address of a character's page."""
    return f"/characters/{quote(who.id, safe='')}"


async def _used(
    request: Req, app: ApplicationState, form: CharacterForm, sent: FormMultiDict
) -> Page:
    """Do what the pressed button asks for."""
    wanted, _, what = (forms.text(sent, "do") or "save").partition(" ")
    try:
        await form.take_in(app.pictures, app.storage, sent)
        if wanted == "save":
            who = await form.save(app.storage)
            await app.rooms.character_changed(who.id)
            return done(path_of(who), f"{who.name} is saved.")
        if wanted == "remove":
            form.take_out(what)
        if wanted == "hear":
            await while_there(request, partial(_spoken, app, form, SENTENCE))
        if wanted == "try":
            await while_there(request, partial(_tried, app, form, bool(sent.get("aloud"))))
    except AichatError as error:
        form.problems = forms.problems(error, {"image_url": "file", "images": "file"})
        return await _form(request, app, form, 400)
    return await _form(request, app, form)


async def _tried(app: ApplicationState, form: CharacterForm, aloud: bool) -> None:
    pieces = app.tryouts.answer(app.parts, form.draft(), form.values["say"])
    form.answer = "".join([piece async for piece in pieces]).rpartition(ANEW)[2]
    if aloud:
        await _spoken(app, form, _beginning(form.answer))


async def _spoken(app: ApplicationState, form: CharacterForm, text: str) -> None:
    voice = await form.voice(app.storage)
    form.heard = (await app.previews.speak(app.parts, voice, text)).address


async def _form(request: Req, app: ApplicationState, form: CharacterForm, code: int = 200) -> Page:
    return page(
        request,
        "pages/character.html",
        code,
        form=form,
        proposals=described(proposals(form.known)) if form.known else [],
        to=path_of(form.known) if form.known else "/characters/new",
        voices=[one.voice for one in await app.storage.voices()],
        new_voice=NEW_VOICE,
        models=await _models(app),
        most_mb=LIMIT_BYTES // 1_000_000,
    )


async def _models(app: ApplicationState) -> list[Any]:
    """Return the models to choose from; none if the provider does not list them in time."""
    with anyio.move_on_after(CATALOGUE_SECONDS):
        try:
            return list(await app.catalogue.ask(app.parts))
        except AichatError:  # the page Models shows the reason
            return []
    return []


def routes() -> Router:
    """Return the routes of this page."""
    return Router(
        "/",
        route_handlers=[
            *(everybody, begin, add, answer, speak),
            *(edit, change, activate, duplicate, talk, remove, restore),
        ],
    )
