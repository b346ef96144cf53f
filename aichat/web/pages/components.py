"""A page that shows every component, for people who build pages: served on request."""

from __future__ import annotations

from litestar import Router, get

from aichat.web.html.page import Page, Req, page


@get("/components")
async def components(request: Req) -> Page:
    """Every component in every state."""
    return page(request, "pages/components.html")


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[components])
