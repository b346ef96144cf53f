"""The pages: a module and a router for each."""

from __future__ import annotations

from litestar import Router

from . import (
    agents,
    cast,
    character_cards,
    characters,
    chat,
    components,
    conversations,
    messages,
    models,
    preferring,
    settings,
    speech,
    voices,
)


def routes() -> Router:
    """Return all pages; the API's document leaves them out."""
    of_each = [
        one.routes()
        for one in (
            chat,
            cast,
            messages,
            conversations,
            character_cards,
            characters,
            voices,
            models,
            speech,
            agents,
            settings,
            components,
            preferring,
        )
    ]
    return Router("/", route_handlers=of_each, include_in_schema=False)
