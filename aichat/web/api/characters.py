"""Characters over REST."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from litestar import Controller, delete, get, post, put
from litestar.datastructures import State
from litestar.params import JSONBody, MultipartBody, QueryParameter

from aichat.core import Character
from aichat.web.schemas import records, voices
from aichat.web.schemas.forms import check_form
from aichat.web.schemas.parameters import Id, Query, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import check_extensions, sent
from aichat.web.services.cards import card_import
from aichat.web.services.own_pictures import check_pictures, has_foreign

from .dependencies import rooms, storage
from .images import FORM_BYTES


class Characters(Controller):
    """Who may answer."""

    path = "/characters"
    tags = ("characters",)

    @get(operation_id="listCharacters", responses=errors())
    async def everybody(self, state: State) -> list[records.Character]:
        """All characters, oldest first."""
        return outs(records.Character, await storage(state).characters())

    @get("/active", operation_id="listActiveCharacters", responses=errors())
    async def active(self, state: State) -> list[records.Character]:
        """Those that take part in new conversations, oldest first."""
        return outs(records.Character, await storage(state).characters(active=True))

    @get("/search", operation_id="searchCharacters", responses=errors(400))
    async def search(self, state: State, words: Query) -> list[records.Character]:
        """Those whose name or system prompt holds every word of the query, in any case.

        Those whose name does come first.
        """
        return outs(records.Character, found(await storage(state).characters(), words))

    @get("/{id:str}", operation_id="getCharacter", responses=errors(400, 404))
    async def one(self, state: State, id: Id) -> records.Character:
        """One character."""
        return out(records.Character, await storage(state).character(id))

    @post(operation_id="createCharacter", responses=errors(400, 404))
    async def add(self, state: State, data: JSONBody[records.NewCharacter]) -> records.Character:
        """Make a character; its id is made of its name."""
        check_extensions(data.extensions)
        check_pictures(sent(data))
        made = await storage(state).add_character(Character("", **sent(data)))
        return out(records.Character, made)

    @post(
        "/import",
        operation_id="importCharacter",
        before_request=check_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 413),
    )
    async def take_in(
        self, state: State, data: MultipartBody[voices.CardUpload]
    ) -> records.Character:
        """Make a character of a card of SillyTavern and others: PNG, JSON or CHARX.

        It does not take part in new conversations yet. What the card wants of model, temperature,
        tools and limits is in `extensions.proposed`, and holds once you PUT it where it belongs:
        `model`, `temperature`, `extensions.tools`, `extensions.llm`.
        """
        try:
            return out(records.Character, await card_import.take_in(state, data.file))
        finally:
            await data.file.close()

    @put("/{id:str}", operation_id="changeCharacter", responses=errors(400, 404))
    async def change(
        self, state: State, id: Id, data: JSONBody[records.CharacterChanges]
    ) -> records.Character:
        """Change the fields that are sent."""
        check_extensions(sent(data).get("extensions", {}))
        if has_foreign(sent(data)):
            check_pictures(sent(data), await storage(state).character(id))
        return await _change(state, id, sent(data))

    @put("/{id:str}/active", operation_id="activateCharacter", responses=errors(400, 404))
    async def activate(
        self,
        state: State,
        id: Id,
        is_active: Annotated[bool, QueryParameter(description="Whether it takes part.")],
    ) -> records.Character:
        """Let a character take part in new conversations, or not."""
        return await _change(state, id, {"is_active": is_active})

    @delete(
        "/{id:str}", operation_id="deleteCharacter", status_code=200, responses=errors(400, 404)
    )
    async def remove(self, state: State, id: Id) -> records.Deleted:
        """Remove a character, from conversations too; what it said stays."""
        await storage(state).delete_character(id)
        await rooms(state).character_changed(id)
        return records.Deleted(True, f"Character {id} was deleted.")


def found(characters: Iterable[Character], query: str) -> list[Character]:
    """Return the characters that hold every word of *query*; name matches first."""
    words = query.casefold().split()
    holding = [
        (all(word in who.name.casefold() for word in words), who)
        for who in characters
        if words and all(word in f"{who.name}\n{who.system_prompt}".casefold() for word in words)
    ]
    return [who for by_name in (True, False) for matched, who in holding if matched is by_name]


async def _change(state: State, id: str, changed: dict[str, object]) -> records.Character:
    async with rooms(state).record_locks.with_all([id]):
        character = await storage(state).change_character(id, changed)
    await rooms(state).character_changed(id)
    return out(records.Character, character)
