"""The language models that conversations and characters may name."""

from __future__ import annotations

from litestar import Router, get
from litestar.datastructures import State

from aichat.core import AichatError
from aichat.web.shell import Page, Req, page


@get("/models")
async def offered(request: Req, state: State) -> Page:
    """What the serving backend offers, or why it cannot tell."""
    models, problem = [], ""
    try:
        models = list(await state.catalogue.ask(state.parts))
    except AichatError as error:
        problem = error.line
    settings = await state.parts.storage.settings()
    return page(
        request, "pages/models.html", models=models, problem=problem, chosen=settings.get("model")
    )


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[offered])
