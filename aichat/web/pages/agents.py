"""What characters can do beside talking."""

from __future__ import annotations

from litestar import Router, get
from litestar.datastructures import State

from aichat.web.shell import Page, Req, page


@get("/agents")
async def agents(request: Req, state: State) -> Page:
    """Which tools each character may use."""
    return page(request, "pages/agents.html", characters=await state.parts.storage.characters())


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[agents])
