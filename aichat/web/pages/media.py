"""Media that pages load: pictures, drawn faces, clips and previews."""

from __future__ import annotations

import re
from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.params import FromPath, QueryParameter

from aichat.core import NotFound
from aichat.web.application_state import App
from aichat.web.html import avatars
from aichat.web.html.byte_ranges import sound
from aichat.web.services.uploads.pictures import picture

FOR_GOOD = {"Cache-Control": "private, max-age=31536000, immutable"}
"""For what its address names by its content."""
WAV = re.compile(r"[0-9a-f]{64}\.wav")
Req = Request[Any, Any, Any]
Name = Annotated[str, QueryParameter(required=False, max_length=200)]


@get("/images/{key:str}")
async def image(app: App, key: FromPath[str]) -> Response[bytes]:
    """A character's picture."""
    shown = await picture(app.storage, key)
    return Response(shown, media_type="image/webp", headers=FOR_GOOD)


@get("/avatars/{file:str}")
async def avatar(file: FromPath[str], name: Name = "") -> Response[str]:
    """A face drawn from a name; *file* is there for people to read."""
    face = avatars.svg(name or file.removesuffix(".svg"))
    return Response(face, media_type="image/svg+xml", headers=FOR_GOOD)


@get("/clips/{key:str}")
async def clip(request: Req, app: App, key: FromPath[str]) -> Response[bytes]:
    """The clip that a voice is cloned from."""
    if not WAV.fullmatch(key):
        raise NotFound("There is no such clip.", "Open the voice that uses it.")
    return sound(request, await app.storage.clip(key), FOR_GOOD)


@get("/previews/{file:str}")
async def preview(request: Req, app: App, file: FromPath[str]) -> Response[bytes]:
    """A sentence in a voice, as it was made before."""
    return sound(request, await app.previews.again(file.removesuffix(".wav")), FOR_GOOD)


def routes() -> Router:
    """Return the routes; the API's document leaves them out."""
    return Router("/", route_handlers=[image, avatar, clip, preview], include_in_schema=False)
