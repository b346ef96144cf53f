"""Hearing and speaking: what serves, how it is set up, and whether it reaches you."""

from __future__ import annotations

from attrs import frozen
from litestar import Router, get
from litestar.datastructures import State

from aichat.core import Parts, Status
from aichat.web.shell import Page, Req, page
from aichat.web.tuning import Setting, settings_of

PARTS = {
    "vad": "Hearing that somebody speaks",
    "turn": "Knowing that you have finished, and letting you break in",
    "stt": "Writing down what you say",
    "tts": "Speaking",
}
"""Those that have to do with sound, in the order of a turn."""


@frozen
class Serving:
    """Who plays a part now (*status* is None where nobody does), and how it is set up."""

    part: str
    title: str
    status: Status | None
    settings: list[Setting]


@get("/speech")
async def speech(request: Req, state: State) -> Page:
    """Who plays the parts that have to do with sound."""
    parts: Parts = state.parts
    statuses = [one for part in PARTS for one in parts.statuses() if one.part == part]
    serving = []
    for part, title in PARTS.items():
        status = next((one for one in statuses if one.part == part and one.serving), None)
        settings = settings_of(state.config, state.manager, part, status.name) if status else []
        serving.append(Serving(part, title, status, settings))
    return page(request, "pages/speech.html", statuses=statuses, serving=serving)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[speech])
