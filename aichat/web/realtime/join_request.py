"""Reads the query of ``/ws``: which conversation a client joins, and with which cast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aichat.core import (
    AichatError,
    BadValue,
    Character,
    Conversation,
    NotFound,
    Parts,
    Storage,
    is_storable,
)
from aichat.web.settings.conversation_defaults import begun, new_conversation

DEFAULT_CAST = 2
"""Active characters in a conversation that is created without naming any."""
MOST = 100
"""Most characters in one conversation."""

Entered = tuple[Conversation, Sequence[Character]]


class Refused(Exception):
    """The client cannot join; *code* is the WebSocket's close code."""

    def __init__(self, code: int, error: AichatError) -> None:
        super().__init__(str(error))
        self.code, self.error = code, error


class _Code(NotFound):
    """A not-found error with the code that the wire protocol documents."""

    def __init__(self, error: AichatError, code: str) -> None:
        super().__init__(error.problem, error.hint)
        self.code = code  # type: ignore[misc]  # an instance's own


def wanted_cast(query: Any) -> Sequence[str] | None:
    """Return the ids in ``character_ids``, each once; None where it is not given."""
    given = query.get("character_ids")
    return None if given is None else list(dict.fromkeys(id for id in given.split(",") if id))


async def enter(
    parts: Parts, conversation_id: str | None, character_ids: Sequence[str] | None
) -> Entered:
    """Return the conversation and its cast; create one when no id is given.

    The cast of an existing one is set to *character_ids*, if they are given. Raises Refused.
    """
    storage = parts.storage
    try:
        if conversation_id:
            entered = await _conversation(storage, conversation_id)
            return (
                entered if character_ids is None else await _recast(storage, entered, character_ids)
            )
        if not character_ids:
            return await begun(storage, DEFAULT_CAST)
        cast = await _characters(storage, character_ids)
        return await new_conversation(storage, [who.id for who in cast]), cast
    except NotFound as error:
        raise Refused(4404, error) from error
    except BadValue as error:
        raise Refused(4400, error) from error
    except AichatError as error:
        raise Refused(1011, error) from error


async def _conversation(storage: Storage, id: str) -> Entered:
    try:
        _require_clean(id)
        return await storage.cast(id)
    except NotFound as error:
        raise _Code(error, "conversation_not_found") from error


async def _characters(storage: Storage, ids: Sequence[str]) -> list[Character]:
    if len(ids) > MOST:
        raise BadValue(
            f"character_ids names over {MOST} characters.", "Name fewer.", "character_ids"
        )
    for id in ids:
        _require_clean(id)
    return [await storage.character(id) for id in ids]


async def _recast(storage: Storage, entered: Entered, ids: Sequence[str]) -> Entered:
    """Make exactly these the cast from the next turn on; the current turn goes on."""
    if not ids:
        raise BadValue(
            "character_ids names nobody.", "Name a character, or leave it out.", "character_ids"
        )
    conversation, _ = entered
    id = conversation.conversation_id
    if list(conversation.active_characters) == list(ids):
        return entered
    await _characters(storage, ids)
    try:
        await storage.change_conversation(id, {"active_characters": list(ids)})
    except NotFound:
        await _characters(storage, ids)  # it was one of them; else the conversation has gone
        await _conversation(storage, id)
        raise
    return await _conversation(storage, id)


def _require_clean(id: str) -> None:
    if not is_storable(id):  # some stores cannot even be asked
        raise NotFound("There is nothing with that id.", "Check the id.")
