"""How characters sound."""

from __future__ import annotations

from litestar import Router, get
from litestar.datastructures import State

from aichat.web.shell import Page, Req, page


@get("/voices")
async def everything(request: Req, state: State) -> Page:
    """All voices, and who uses them."""
    storage = state.parts.storage
    voices, characters = await storage.voices(), await storage.characters()
    users = {one.voice: [who for who in characters if who.voice == one.voice] for one in voices}
    return page(request, "pages/voices.html", voices=voices, users=users)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[everything])
