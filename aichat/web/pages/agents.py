"""The page Agents: which of the plug-ins' tools each character may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from attrs import frozen
from litestar import Router, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from aichat.core import Character, Tool
from aichat.web.application_state import App
from aichat.web.html.page import Page, Req, page, saved

Form = Annotated[dict[str, list[str] | str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@frozen
class Ability:
    """A tool as a character has it, or not. *tool* is None where no plug-in offers it any more."""

    name: str
    tool: Tool | None
    is_on: bool


@get("/agents")
async def agents(request: Req, app: App) -> Page:
    """Which tools there are, and which each character may use."""
    characters = app.deleted_characters.remaining(await app.storage.characters())
    return page(
        request,
        "pages/agents.html",
        tools=list(app.parts.tools.values()),
        abilities={who.id: abilities(who, app.parts.tools) for who in characters},
        characters=characters,
    )


@post("/agents/{id:str}")
async def allow(request: Req, app: App, data: Form, id: FromPath[str]) -> Page:
    """Let a character use the tools that the form names, and no others."""
    wanted = data.get("tool", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    async with app.rooms.record_locks.with_all([id]):  # the other extensions stay as they are now
        who = await app.storage.character(id)
        kept = [one.name for one in abilities(who, app.parts.tools) if one.name in wanted]
        await app.storage.change_character(id, {"extensions": {**who.extensions, "tools": kept}})
    await app.rooms.character_changed(id)
    return saved(request, "/agents", _words(who, kept))


def abilities(who: Character, tools: Mapping[str, Tool]) -> list[Ability]:
    """Return every tool that there is, and those that *who* still names."""
    named = who.extensions.get("tools")
    names = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    offered = [Ability(name, tool, name in names) for name, tool in tools.items()]
    return [*offered, *(Ability(name, None, True) for name in names if name not in tools)]


def _words(who: Character, names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"{who.name} may use {listed}." if listed else f"{who.name} uses no tools."


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[agents, allow])
