"""The pages of characters: find, create, edit and try them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from attrs import evolve
from litestar import Response, Router, get, post
from litestar.datastructures import FormMultiDict, State
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from aichat.core import AichatError, Character, NotFound, Parts, Storage, closing
from aichat.web.api.characters import found
from aichat.web.api.images import FORM_BYTES
from aichat.web.html.page import Page, Req, done, failed, page
from aichat.web.schemas.forms import check_form, read_form
from aichat.web.schemas.voices import LONGEST_TEXT, SENTENCE
from aichat.web.services.cards.card_import import proposals
from aichat.web.services.character_tryout import ANEW
from aichat.web.services.disconnects import while_there
from aichat.web.services.undo.characters import DeletedCharacters
from aichat.web.services.uploads.pictures import LIMIT_BYTES
from aichat.web.settings.conversation_defaults import new_conversation

from . import forms
from .card_proposals import described
from .character_form import NEW_VOICE, CharacterForm

FORM: dict[str, Any] = {"before_request": check_form, "request_max_body_size": FORM_BYTES}
Words = Annotated[str, QueryParameter(required=False, max_length=1_000)]
CATALOGUE_SECONDS = 3.0
"""Timeout (s) for the list of models; without it a model's name can be typed."""


@get("/characters")
async def everybody(request: Req, state: State, q: Words = "") -> Page:
    """All characters, or those that a word finds."""
    deleted: DeletedCharacters = state.deleted_characters
    known = deleted.remaining(await state.parts.storage.characters())
    shown = found(known, q) if q.strip() else known
    undos = deleted.undos()
    return page(request, "pages/characters.html", characters=known, shown=shown, q=q, undos=undos)


@get("/characters/new")
async def begin(request: Req, state: State) -> Page:
    """A new character."""
    return await _form(request, state, CharacterForm.blank())


@post("/characters/new", status_code=200, **FORM)
async def add(request: Req, state: State) -> Page:
    """Try or keep a new character."""
    sent = await read_form(request)
    return await _used(request, state, CharacterForm.read(sent), sent)


@get("/characters/{id:str}")
async def edit(request: Req, state: State, id: FromPath[str]) -> Page:
    """A character that is there."""
    who = await state.parts.storage.character(id)
    if id in state.deleted_characters:
        return failed("/characters", f"{who.name} was deleted. Undo that first.")
    return await _form(request, state, CharacterForm.of(who))


@post("/characters/{id:str}", status_code=200, **FORM)
async def change(request: Req, state: State, id: FromPath[str]) -> Page:
    """Try or keep changes of a character."""
    known, sent = await state.parts.storage.character(id), await read_form(request)
    return await _used(request, state, CharacterForm.read(sent, known), sent)


@post("/characters/{id:str}/active", status_code=303)
async def activate(request: Req, state: State, id: FromPath[str]) -> Page:
    """Let a character take part in new conversations, or not."""
    is_active = bool((await read_form(request)).get("is_active"))
    who = await state.parts.storage.change_character(id, {"is_active": is_active})
    await state.rooms.character_changed(id)
    words = "takes part in new conversations" if is_active else "rests"
    return done("/characters", f"{who.name} {words}.")


@post("/characters/{id:str}/duplicate", status_code=303)
async def duplicate(state: State, id: FromPath[str]) -> Page:
    """Copy a character."""
    storage: Storage = state.parts.storage
    who = await storage.character(id)
    made = await storage.add_character(evolve(who, id="", name=f"{who.name[:90]} (copy)"))
    return done(path_of(made), f"This is a copy of {who.name}.")


@post("/characters/{id:str}/talk", status_code=303)
async def talk(state: State, id: FromPath[str]) -> Page:
    """Begin a conversation with this character alone."""
    storage: Storage = state.parts.storage
    who = await storage.character(id)
    made = await new_conversation(storage, [id])
    return done(f"/c/{made.conversation_id}", f"You are alone with {who.name}.")


@post("/characters/{id:str}/delete", status_code=303)
async def remove(state: State, id: FromPath[str]) -> Page:
    """Let a character go, unless that is undone in time; what it said stays."""
    state.deleted_characters.begin(await state.parts.storage.character(id))
    return Response("", status_code=303, headers={"Location": "/characters"})


@post("/characters/{id:str}/restore", status_code=303)
async def restore(state: State, id: FromPath[str]) -> Page:
    """Restore a character that was deleted a moment ago."""
    try:
        name = state.deleted_characters.restore(id)
    except NotFound as error:
        return failed("/characters", error.line)
    return done("/characters", f"{name} is back.")


@post("/characters/try", status_code=200, **FORM)
async def answer(request: Req, state: State) -> Stream:
    """Answer in a character that is not kept, word by word."""
    form = CharacterForm.read(await read_form(request))
    pieces = state.trials.answer(state.parts, form.draft(), form.values["say"])
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
async def speak(request: Req, state: State) -> Stream:
    """Say a text in the voice that the form chooses, as it is made."""
    sent = await read_form(request)
    voice = await CharacterForm.read(sent).voice(state.parts.storage)
    text = _beginning(forms.text(sent, "text"))
    pieces = state.previews.stream(state.parts, voice, text)
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


async def _used(request: Req, state: State, form: CharacterForm, sent: FormMultiDict) -> Page:
    """Do what the pressed button asks for."""
    parts: Parts = state.parts
    wanted, _, what = (forms.text(sent, "do") or "save").partition(" ")
    try:
        await form.take_in(state.pictures, parts.storage, sent)
        if wanted == "save":
            who = await form.save(parts.storage)
            await state.rooms.character_changed(who.id)
            return done(path_of(who), f"{who.name} is kept.")
        if wanted == "remove":
            form.take_out(what)
        if wanted == "hear":
            await while_there(request, partial(_spoken, state, form, SENTENCE))
        if wanted == "try":
            await while_there(request, partial(_tried, state, form, bool(sent.get("aloud"))))
    except AichatError as error:
        form.problems = forms.problems(error, {"image_url": "file", "images": "file"})
        return await _form(request, state, form, 400)
    return await _form(request, state, form)


async def _tried(state: State, form: CharacterForm, aloud: bool) -> None:
    pieces = state.trials.answer(state.parts, form.draft(), form.values["say"])
    form.answer = "".join([piece async for piece in pieces]).rpartition(ANEW)[2]
    if aloud:
        await _spoken(state, form, _beginning(form.answer))


async def _spoken(state: State, form: CharacterForm, text: str) -> None:
    voice = await form.voice(state.parts.storage)
    form.heard = (await state.previews.speak(state.parts, voice, text)).address


async def _form(request: Req, state: State, form: CharacterForm, code: int = 200) -> Page:
    storage: Storage = state.parts.storage
    return page(
        request,
        "pages/character.html",
        code,
        form=form,
        proposals=described(proposals(form.known)) if form.known else [],
        to=path_of(form.known) if form.known else "/characters/new",
        voices=[one.voice for one in await storage.voices()],
        new_voice=NEW_VOICE,
        models=await _models(state),
        most_mb=LIMIT_BYTES // 1_000_000,
    )


async def _models(state: State) -> list[Any]:
    """Return the models to choose from; none if the provider does not list them in time."""
    with anyio.move_on_after(CATALOGUE_SECONDS):
        try:
            return list(await state.catalogue.ask(state.parts))
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
