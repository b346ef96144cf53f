"""The forms of the cast panel: the cast, its order, who is muted, and the turn settings.

Each form has a ``do``: a verb, and whom it is about. They work without scripts; a page with
scripts sends them in the background, and everybody in the conversation is shown what has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from attrs import frozen
from litestar import Router, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from aichat.core import BadValue
from aichat.core.events import SpeakersAsked
from aichat.core.turn_rules import TURN_SETTINGS, read_rules
from aichat.web.application_state import App
from aichat.web.html.page import Req, address
from aichat.web.realtime.conversation_settings import Choose, Settings, change_settings
from aichat.web.realtime.rooms import Rooms
from aichat.web.schemas.settings import SettingsChanges, sent

from . import forms

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


class BadForm(BadValue):
    """A form asks for something that does not exist."""


@post("/c/{conversation_id:str}/cast", status_code=303)
async def change_cast(
    request: Req, app: App, data: Form, conversation_id: FromPath[str]
) -> Redirect:
    """Do what a form of the cast panel asks for."""
    conversation, cast = await app.rooms.parts.storage.cast(conversation_id)
    verb, _, whom = data.get("do", "").partition(" ")
    id = app.rooms.room(conversation, cast).conversation
    if verb == "ask":
        app.rooms.paces.turns.request(id, address(request)).take()
        whom = here(conversation.active_characters, whom)
        await app.rooms.bus.publish(SpeakersAsked(app.rooms.bus.new_turn(id), (whom,)))
    else:
        await Change(app.rooms, id).apply(verb, whom or data.get("character", ""), data)
        await app.rooms.conversation_changed(id)
    return Redirect(f"/c/{id}", status_code=303)


def here(ids: Sequence[str], whom: str) -> str:
    """Return *whom*, who must be in the conversation. Raises :class:`BadForm`."""
    if whom not in ids:
        raise BadForm(f"{whom or 'Nobody'} is not in this conversation.", "Reload the page.")
    return whom


@frozen
class Change:
    """One change of a conversation's cast or rules."""

    rooms: Rooms
    id: str

    async def apply(self, verb: str, whom: str, data: Mapping[str, str]) -> None:
        """Make the change. Raises :class:`BadForm`."""
        storage = self.rooms.parts.storage
        if verb == "add":
            async with self.rooms.record_locks.with_all([self.id]):
                await storage.join_conversation(self.id, whom)
        elif verb == "remove":
            async with self.rooms.record_locks.with_all([self.id]):
                here((await storage.conversation(self.id)).active_characters, whom)
                await storage.leave_conversation(self.id, whom)
        elif verb in ("up", "down"):
            await self._order(lambda ids: moved(ids, here(ids, whom), -1 if verb == "up" else 1))
        elif verb == "order":
            await self._order(lambda ids: ordered(ids, whom.split(",")))
        elif verb in ("mute", "unmute"):
            await self._mute(whom, is_muted=verb == "mute")
        elif verb == "rules":
            await self._set(rules(data))
        else:
            raise BadForm(f"The form asks for an unknown action, {verb!r}.", "Reload the page.")

    async def _order(self, order: Callable[[Sequence[str]], Sequence[str]]) -> None:
        storage = self.rooms.parts.storage
        async with self.rooms.record_locks.with_all([self.id]):
            ids = (await storage.conversation(self.id)).active_characters
            await storage.change_conversation(self.id, {"active_characters": list(order(ids))})

    async def _mute(self, whom: str, *, is_muted: bool) -> None:
        ids = (await self.rooms.parts.storage.conversation(self.id)).active_characters
        here(ids, whom)

        def choose(settings: Mapping[str, Any]) -> dict[str, Any]:
            others = read_rules(settings).muted - {whom}
            return {"muted": sorted(others | {whom} if is_muted else others) or None}

        await self._set(choose)

    async def _set(self, wanted: Settings | Choose) -> None:
        await change_settings(self.rooms.parts.storage, self.rooms.record_locks, self.id, wanted)


def moved(ids: Sequence[str], whom: str, by: int) -> list[str]:
    """Return *ids* with *whom* moved *by* places (negative: up), at most to either end."""
    place = ids.index(whom)
    others = [id for id in ids if id != whom]
    others.insert(max(0, place + by), whom)
    return others


def ordered(ids: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return *ids* in the wanted order; characters that have joined meanwhile come last."""
    first = [id for id in dict.fromkeys(wanted) if id in ids]
    return [*first, *(id for id in ids if id not in first)]


def rules(data: Mapping[str, str]) -> dict[str, Any]:
    """Read what was changed in the form of the rules. Raises :class:`BadForm`."""
    typed = {name: forms.text(data, name) for name in forms.changed(data, TURN_SETTINGS)}
    given: dict[str, Any] = {name: text or None for name, text in typed.items()}
    if "auto" in given:
        given["auto"] = bool(given["auto"]) or None
    try:
        return sent(msgspec.convert(given, SettingsChanges, strict=False))
    except msgspec.ValidationError as error:
        raise BadForm(f"The rules cannot be saved: {error}.", "Correct them.") from error


def routes() -> Router:
    """Return the routes of these forms."""
    return Router("/", route_handlers=[change_cast])
