"""The pages of voices: describe or clone one, listen to them, compare takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath

from aichat.core import AichatError, Parts, Storage, Voice, abilities
from aichat.core.backends import ListsVoices
from aichat.core.models import Method
from aichat.web.api.voices import FORM_BYTES
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.page import Page, Req, done, failed, page
from aichat.web.schemas.forms import check_form, read_form
from aichat.web.schemas.voices import SENTENCE
from aichat.web.services.disconnects import while_there
from aichat.web.services.uploads import learnt

from . import forms, takes
from .takes import Take
from .voice_form import VoiceForm

FORM: dict[str, Any] = {"before_request": check_form, "request_max_body_size": FORM_BYTES}
METHODS: dict[str, Method] = {"describe": "description", "clone": "clone"}


@get("/voices")
async def library(request: Req, app: App) -> Page:
    """All voices, and who uses them."""
    return await _library(request, app, FormMultiDict())


@post("/voices/hear", status_code=200, **FORM)
async def hear(request: Req, app: App) -> Page:
    """Let a voice of the library speak; those heard before stay to compare."""
    return await _library(request, app, await read_form(request))


@get("/voices/{way:str}")
async def begin(request: Req, app: App, way: FromPath[str]) -> Page:
    """A new voice, described or cloned."""
    if way not in METHODS:
        return failed("/voices", "There is no such page. These are your voices.")
    return await _form(request, app, VoiceForm.blank(METHODS[way]))


@post("/voices/{way:str}", status_code=200, **FORM)
async def add(request: Req, app: App, way: FromPath[str]) -> Page:
    """Try or keep a new voice."""
    if way not in METHODS:
        return failed("/voices", "There is no such page. These are your voices.")
    sent = await read_form(request)
    return await _used(request, app, VoiceForm.read(METHODS[way], sent), sent)


@get("/voices/of/{key:str}")
async def edit(request: Req, app: App, key: FromPath[str]) -> Page:
    """The page of an existing voice."""
    voice = await app.storage.voice(key)
    return await _form(
        request, app, await VoiceForm.of(app.storage, voice, engine(app.parts)["name"])
    )


@post("/voices/of/{key:str}", status_code=200, **FORM)
async def change(request: Req, app: App, key: FromPath[str]) -> Page:
    """Try or keep changes of a voice."""
    known, sent = await app.storage.voice(key), await read_form(request)
    return await _used(request, app, VoiceForm.read(known.method, sent, known), sent)


@post("/voices/of/{key:str}/delete", status_code=303)
async def remove(app: App, key: FromPath[str]) -> Page:
    """Remove a voice that nobody uses."""
    try:
        await app.storage.delete_voice(key)
    except AichatError as error:
        return failed(path_of(key), error.line)
    return done("/voices", f"The voice {key} was deleted.")


def path_of(key: str) -> str:
    """Return the address of a voice's page."""
    return f"/voices/of/{quote(key, safe='')}"


async def _used(request: Req, app: ApplicationState, form: VoiceForm, sent: FormMultiDict) -> Page:
    """Do what the pressed button asks for."""
    wanted = forms.text(sent, "do") or "save"
    try:
        await form.take_in(app.uploads, app.parts, sent)
        if wanted == "save":
            made = await form.save(app.storage)
            words = await learnt(app.parts, made)
            return done("/voices", f"The voice {made.voice} is saved. {words}".strip())
        if wanted in ("hear", "another"):
            another = wanted == "another"
            await while_there(request, partial(form.hear, app.previews, app.parts, another=another))
    except AichatError as error:
        form.problems = forms.problems(error)
        return await _form(request, app, form, 400)
    return await _form(request, app, form)


async def _form(request: Req, app: ApplicationState, form: VoiceForm, code: int = 200) -> Page:
    try:
        stale = await form.stale(app.previews, app.parts)
    except AichatError:  # what is wrong stands beside the fields already
        stale = set()
    return page(
        request,
        "pages/voice.html",
        code,
        form=form,
        to=path_of(form.known.voice) if form.known else f"/voices/{_way(form.method)}",
        stale=stale,
        letters=takes.LETTERS,
        users=await _users(app.storage, form.known.voice) if form.known else [],
        engine=engine(app.parts),
        stock=_stock(app.parts),
    )


def _stock(parts: Parts) -> list[tuple[str, str]]:
    """Return the voices that the serving engine brings, as options of a field."""
    serving = parts.roles["tts"].serving
    if serving is None or not isinstance(serving.backend, ListsVoices):
        return []
    own = serving.backend.listed_voices()
    named = [(f"{serving.name} {one.name}", f"{one.name} ({one.about})") for one in own]
    return [(serving.name, "The nearest to the description"), *named]


def _way(method: Method) -> str:
    return next(way for way, known in METHODS.items() if known == method)


async def _users(storage: Storage, key: str) -> list[Any]:
    return [who for who in await storage.characters() if who.voice == key]


async def _library(request: Req, app: ApplicationState, sent: FormMultiDict) -> Page:
    storage = app.storage
    text = forms.text(sent, "text") or SENTENCE
    heard, problem = takes.read(forms.all_texts(sent, "take")), ""
    try:
        heard = await _heard(request, app, heard, forms.text(sent, "voice"), text)
    except AichatError as error:
        problem = error.line
    characters = await storage.characters()
    voices: Sequence[Voice] = await storage.voices()
    return page(
        request,
        "pages/voices.html",
        400 if problem else 200,
        voices=voices,
        users={one.voice: [who for who in characters if who.voice == one.voice] for one in voices},
        text=text,
        heard=heard,
        letters=takes.LETTERS,
        problem=problem,
        engine=engine(app.parts),
        path_of=path_of,
    )


async def _heard(
    request: Req, app: ApplicationState, heard: list[Take], key: str, text: str
) -> list[Take]:
    if not key:
        return heard
    voice = await app.storage.voice(key)
    made = await while_there(request, partial(app.previews.speak, app.parts, voice, text))
    return takes.added(heard, Take(None, made.key, key))


def engine(parts: Parts) -> dict[str, Any]:
    """Return the name of the serving voice engine, its abilities, and why no other one serves."""
    role = parts.roles["tts"]
    serving = role.serving
    able = abilities(serving.backend) if serving else frozenset()
    detail = next((one.detail for one in role.statuses() if one.serving), "")
    return {
        "name": serving.name if serving else "",
        "abilities": able,
        "detail": detail,
        "passed_over": role.passed_over() if serving else [],
    }


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[library, hear, begin, add, edit, change, remove])
