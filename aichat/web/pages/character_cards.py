"""Import and export of characters as cards, which other programs read and write."""

from __future__ import annotations

import json
from typing import Any

from litestar import Response, Router, get, post
from litestar.params import FromPath

from aichat.core import AichatError, Character, NotFound, Storage, Voice, slug
from aichat.web.api.images import FORM_BYTES
from aichat.web.application_state import App
from aichat.web.html import avatars
from aichat.web.html.character_pictures import is_own
from aichat.web.html.page import Page, Req, done, failed
from aichat.web.schemas.forms import check_form, read_form
from aichat.web.schemas.settings import check_extensions
from aichat.web.services.cards import card_file
from aichat.web.services.cards.card_import import accepted, proposals
from aichat.web.services.uploads.pictures import ADDRESS, as_png, picture

from . import forms
from .characters import path_of


@post(
    "/characters/import",
    status_code=303,
    before_request=check_form,
    request_max_body_size=FORM_BYTES,
)
async def bring_in(request: Req, app: App) -> Page:
    """Make a character of a card."""
    file = forms.file(await read_form(request), "file")
    if file is None:
        return failed("/characters", "No file was chosen. Choose a card, as PNG, JSON or CHARX.")
    try:
        who = await app.card_import.take_in(file)
    except AichatError as error:
        return failed("/characters", error.line)
    finally:
        await file.close()
    words = f"{who.name} has come in, and rests until you let it take part."
    if proposals(who):
        words += " The card proposes more: look at the top of this page."
    return done(path_of(who), words)


@post("/characters/{id:str}/proposals", status_code=303)
async def accept(request: Req, app: App, id: FromPath[str]) -> Page:
    """Accept those proposals of a card that the form names, and drop the others."""
    who = await app.storage.character(id)
    taken = forms.all_texts(await read_form(request), "accept")
    changes = accepted(who, taken)
    check_extensions(changes["extensions"])
    who = await app.storage.change_character(id, changes)
    await app.rooms.character_changed(id)
    words = "has what you accepted" if taken else "has nothing of what its card proposed"
    return done(path_of(who), f"{who.name} {words}.")


@get("/characters/{id:str}/card.json")
async def as_json(app: App, id: FromPath[str]) -> Response[bytes]:
    """A character as a card."""
    who, card = await _card(app.storage, id)
    written = json.dumps(card, indent=2, ensure_ascii=False).encode()
    return _file(written, "application/json", f"{slug(who.name)}.json")


@get("/characters/{id:str}/card.png")
async def as_picture(app: App, id: FromPath[str]) -> Response[bytes]:
    """A character as a card in its picture."""
    who, card = await _card(app.storage, id)
    address = who.image_url or ""
    if is_own(address) and address.startswith(ADDRESS):
        face = await as_png(await picture(app.storage, address.removeprefix(ADDRESS)))
    else:
        face = card_file.plain_picture(avatars.ground_of(who.name))
    return _file(card_file.in_picture(face, card), "image/png", f"{slug(who.name)}.png")


async def _card(storage: Storage, id: str) -> tuple[Character, dict[str, Any]]:
    who = await storage.character(id)
    voice = await storage.voice(who.voice) if who.voice else None
    return who, card_file.write(who, voice, await _clip(storage, voice) if voice else None)


async def _clip(storage: Storage, voice: Voice) -> card_file.Clip | None:
    """Return what a cloned voice is made of; None of one that is described, or lost its clip."""
    if voice.method != "clone" or not voice.audio_path:
        return None
    try:
        audio = await storage.clip(voice.audio_path)
        words = (await storage.clip(voice.text_path)).decode() if voice.text_path else ""
    except NotFound:
        return None
    return card_file.Clip(audio, words, voice.settings.get("consent"))


def _file(content: bytes, kind: str, name: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


def routes() -> Router:
    """Return the routes of cards."""
    return Router("/", route_handlers=[bring_in, accept, as_json, as_picture])
