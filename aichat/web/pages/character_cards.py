"""Characters come from other programs, and go there, as cards."""

from __future__ import annotations

import io
import json
from typing import Any

import anyio
from attrs import evolve
from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from aichat.core import AichatError, BadValue, Character, NotFound, Storage, Voice, slug
from aichat.web import avatars, cards
from aichat.web.api.bodies import fill
from aichat.web.api.forms import read_form
from aichat.web.api.images import FORM_BYTES
from aichat.web.api.schemas import NewCharacter
from aichat.web.api.voice_schemas import NewVoice
from aichat.web.shell import Page, done, failed
from aichat.web.stills import is_own
from aichat.web.uploads.files import read_at_most
from aichat.web.uploads.pictures import ADDRESS, LIMIT_BYTES, as_png, picture
from aichat.web.values import sent

from . import forms
from .character_form import free_name


@post(
    "/characters/import",
    status_code=303,
    before_request=read_form,
    request_max_body_size=FORM_BYTES,
)
async def take_in(request: Request[Any, Any, Any], state: State) -> Page:
    """Make a character of a card."""
    file = forms.file(await request.form(), "file")
    if file is None:
        return failed("/characters", "No file was chosen. Choose a card, as PNG, JSON or CHARX.")
    try:
        card = cards.read(await read_at_most(file, LIMIT_BYTES, "Send a smaller card."))
        who = await _made(state, card)
    except AichatError as error:
        return failed("/characters", error.line)
    finally:
        await file.close()
    return done(f"/characters/{who.id}", f"{who.name} has come in. Look everything over.")


@get("/characters/{id:str}/card.json")
async def as_json(state: State, id: FromPath[str]) -> Response[bytes]:
    """A character as a card."""
    who, card = await _card(state.parts.storage, id)
    written = json.dumps(card, indent=2, ensure_ascii=False).encode()
    return _file(written, "application/json", f"{slug(who.name)}.json")


@get("/characters/{id:str}/card.png")
async def as_picture(state: State, id: FromPath[str]) -> Response[bytes]:
    """A character as a card in its picture."""
    storage: Storage = state.parts.storage
    who, card = await _card(storage, id)
    address = who.image_url or ""
    if is_own(address) and address.startswith(ADDRESS):
        face = await as_png(await picture(storage, address.removeprefix(ADDRESS)))
    else:
        face = cards.plain_picture(avatars.ground_of(who.name))
    return _file(cards.in_picture(face, card), "image/png", f"{slug(who.name)}.png")


async def _card(storage: Storage, id: str) -> tuple[Character, dict[str, Any]]:
    who = await storage.character(id)
    voice = await storage.voice(who.voice) if who.voice else None
    return who, cards.write(who, voice, await _clip(storage, voice) if voice else None)


async def _clip(storage: Storage, voice: Voice) -> cards.Clip | None:
    """Return what a cloned voice is made of; None of one that is described, or lost its clip."""
    if voice.method != "clone" or not voice.audio_path:
        return None
    try:
        audio = await storage.clip(voice.audio_path)
        words = (await storage.clip(voice.text_path)).decode() if voice.text_path else ""
    except NotFound:
        return None
    return cards.Clip(audio, words, voice.settings.get("consent"))


def _file(content: bytes, kind: str, name: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


async def _made(state: State, card: cards.Card) -> Character:
    """Make the character, after its picture and its voice. Raises BadValue for odd fields."""
    storage: Storage = state.parts.storage
    fields = sent(fill(card.fields, NewCharacter))
    voice = sent(fill(card.voice, NewVoice)) if card.voice else None
    if card.picture:
        address = await state.pictures.paint(storage, card.picture)
        fields |= {"image_url": address, "images": [address]}
    if voice and card.clip:
        fields["voice"] = await _cloned(state, Voice(**voice), card.clip)
    elif voice:
        fields["voice"] = await _kept(storage, Voice(**voice))
    return await storage.add_character(Character("", **fields))


async def _cloned(state: State, voice: Voice, clip: cards.Clip) -> str:
    """Keep a cloned voice, whose clip is decoded and made anew like any that is uploaded."""
    if not clip.consent:
        raise BadValue(
            "The card holds a cloned voice whose speaker has not agreed.",
            "Take the voice out of the card.",
            "file",
        )
    storage: Storage = state.parts.storage
    file = anyio.wrap_file(io.BytesIO(clip.audio))
    kept = await state.uploads.keep(state.parts, file, clip.transcript)
    known = {one.voice: one for one in await storage.voices()}
    same = known.get(voice.voice)
    if same and same.audio_path == kept.audio_path:
        return same.voice
    made = evolve(
        voice,
        voice=free_name(voice.voice.replace("/", "-").strip(), known),
        audio_path=kept.audio_path,
        text_path=kept.text_path,
        audio_tokens=None,
        settings={**voice.settings, "consent": clip.consent},
    )
    return (await storage.add_voice(made)).voice


async def _kept(storage: Storage, voice: Voice) -> str:
    """Keep a voice under a free name, unless it is here already."""
    if voice.method != "description":
        raise BadValue("The card's voice has no clip.", "Take the voice out of the card.", "file")
    known = {one.voice: one for one in await storage.voices()}
    same = known.get(voice.voice)
    if same and (same.speaker_desc, same.settings) == (voice.speaker_desc, voice.settings):
        return same.voice
    free = free_name(voice.voice.replace("/", "-").strip(), known)
    return (await storage.add_voice(evolve(voice, voice=free))).voice


def routes() -> Router:
    """Return the routes of cards."""
    return Router("/", route_handlers=[take_in, as_json, as_picture])
