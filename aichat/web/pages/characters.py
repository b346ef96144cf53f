"""Who may answer."""

from __future__ import annotations

from litestar import Router, get
from litestar.datastructures import State

from aichat.web.shell import Page, Req, page


@get("/characters")
async def everybody(request: Req, state: State) -> Page:
    """All characters."""
    return page(request, "pages/characters.html", characters=await state.parts.storage.characters())


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[everybody])
