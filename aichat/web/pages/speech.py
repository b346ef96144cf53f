"""Hearing and speaking: what serves, and how it is set."""

from __future__ import annotations

from litestar import Router, get
from litestar.datastructures import State

from aichat.core import Parts
from aichat.web.shell import Page, Req, page

PARTS = ("vad", "turn", "stt", "tts")
"""Those that have to do with sound."""


@get("/speech")
async def speech(request: Req, state: State) -> Page:
    """Who plays the parts that have to do with sound."""
    parts: Parts = state.parts
    statuses = [status for status in parts.statuses() if status.part in PARTS]
    return page(request, "pages/speech.html", statuses=statuses)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[speech])
