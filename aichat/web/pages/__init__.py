"""The pages: a module and a router for each."""

from __future__ import annotations

from litestar import Router

from . import (
    agents,
    browser_preferences,
    cast_panel,
    character_cards,
    characters,
    chat,
    components,
    conversations,
    message_actions,
    models,
    settings,
    speech,
    voices,
)

PAGES = (
    chat,
    cast_panel,
    message_actions,
    conversations,
    character_cards,
    characters,
    voices,
    models,
    speech,
    agents,
    settings,
    browser_preferences,
)


def routes(*, with_components: bool = False) -> Router:
    """Return all pages; the API's document leaves them out."""
    served = (*PAGES, components) if with_components else PAGES
    of_each = [one.routes() for one in served]
    return Router("/", route_handlers=of_each, include_in_schema=False)
