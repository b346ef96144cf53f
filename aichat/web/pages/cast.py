"""The forms of the cast panel: who is here, in which order, who is mute, and the rules.

Each form has a ``do``: a verb, and whom it is about. They work without scripts; a page with
scripts sends them in the background, and everybody in the conversation is shown what has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from attrs import frozen
from litestar import Router, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from aichat.core import BadValue, Conversation, Storage
from aichat.core.events import SpeakersAsked
from aichat.web.cast_view import muted
from aichat.web.defaults import merged
from aichat.web.rooms import Rooms
from aichat.web.values import SettingsChanges, sent

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


class BadForm(BadValue):
    """A form asks for what there is not."""


@post("/c/{conversation_id:str}/cast", status_code=303)
async def change_cast(state: State, data: Form, conversation_id: FromPath[str]) -> Redirect:
    """Do what a form of the cast panel asks for."""
    rooms: Rooms = state.rooms
    conversation, cast = await rooms.parts.storage.cast(conversation_id)
    verb, _, whom = data.get("do", "").partition(" ")
    id = rooms.room(conversation, cast).conversation
    change = Change(rooms.parts.storage, conversation)
    if verb == "ask":
        rooms.paces.turns.conversation(id).take()
        await rooms.bus.publish(SpeakersAsked(rooms.bus.new_turn(id), (change.here(whom),)))
    else:
        await change.apply(verb, whom or data.get("character", ""), data)
        await rooms.conversation_changed(id)
    return Redirect(f"/c/{id}", status_code=303)


@frozen
class Change:
    """One change of a conversation's cast or rules."""

    storage: Storage
    conversation: Conversation

    @property
    def ids(self) -> Sequence[str]:
        """The characters that are in it, in order."""
        return self.conversation.active_characters

    def here(self, whom: str) -> str:
        """Return *whom*, who must be in the conversation."""
        if whom not in self.ids:
            raise BadForm(f"{whom or 'Nobody'} is not in this conversation.", "Reload the page.")
        return whom

    async def apply(self, verb: str, whom: str, data: Mapping[str, str]) -> None:
        """Make the change. Raises :class:`BadForm`."""
        id = self.conversation.conversation_id
        if verb == "add":
            await self.storage.join_conversation(id, whom)
        elif verb == "remove":
            await self.storage.leave_conversation(id, self.here(whom))
        elif verb in ("up", "down"):
            await self._order(moved(self.ids, self.here(whom), -1 if verb == "up" else 1))
        elif verb == "order":
            await self._order(ordered(self.ids, whom.split(",")))
        elif verb in ("mute", "unmute"):
            await self._set(muted=self._muted(verb == "mute", self.here(whom)))
        elif verb == "rules":
            await self._set(**rules(data))
        else:
            raise BadForm(f"Nothing here is called {verb!r}.", "Reload the page.")

    async def _order(self, ids: Sequence[str]) -> None:
        id = self.conversation.conversation_id
        await self.storage.change_conversation(id, {"active_characters": list(ids)})

    async def _set(self, **settings: Any) -> None:
        kept = merged(self.conversation.settings, settings)
        id = self.conversation.conversation_id
        await self.storage.change_conversation(id, {"settings": kept})

    def _muted(self, is_muted: bool, whom: str) -> list[str] | None:
        others = muted(self.conversation.settings) - {whom}
        return sorted(others | {whom} if is_muted else others) or None


def moved(ids: Sequence[str], whom: str, by: int) -> list[str]:
    """Return *ids* with one of them moved by so many places, as far as that goes."""
    place = ids.index(whom)
    others = [id for id in ids if id != whom]
    others.insert(max(0, place + by), whom)
    return others


def ordered(ids: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return *ids* in the wanted order; who joined meanwhile comes last."""
    first = [id for id in dict.fromkeys(wanted) if id in ids]
    return [*first, *(id for id in ids if id not in first)]


def rules(data: Mapping[str, str]) -> dict[str, Any]:
    """Read the form of the rules. Raises :class:`BadForm`."""
    said = {
        "strategy": data.get("strategy") or None,
        "max_replies": data.get("max_replies") or None,
        "auto": "auto" in data or None,
        "auto_cap": data.get("auto_cap") or None,
    }
    try:
        return sent(msgspec.convert(said, SettingsChanges, strict=False))
    except msgspec.ValidationError as error:
        raise BadForm(f"The rules cannot be kept: {error}.", "Correct them.") from error


def routes() -> Router:
    """Return the routes of these forms."""
    return Router("/", route_handlers=[change_cast])
