"""How aichat is set up, and how it looks in this browser."""

from __future__ import annotations

from importlib.metadata import version

from litestar import Router, get
from litestar.datastructures import State

from aichat.core import Parts
from aichat.web.shell import Page, Req, page


@get("/settings")
async def settings(request: Req, state: State) -> Page:
    """Everything that can be set."""
    parts: Parts = state.parts
    return page(
        request, "pages/settings.html", statuses=parts.statuses(), version=version("aichat")
    )


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[settings])
