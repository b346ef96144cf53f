"""Characters over REST."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from litestar import Controller, delete, get, post, put
from litestar.params import JSONBody, MultipartBody, QueryParameter

from aichat.core import Character
from aichat.web.application_state import App, ApplicationState
from aichat.web.schemas import records, voices
from aichat.web.schemas.forms import check_form
from aichat.web.schemas.parameters import Id, Query, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import check_extensions, sent
from aichat.web.services.picture_origin import check_pictures, has_foreign

from .images import FORM_BYTES


class Characters(Controller):
    """Who may answer."""

    path = "/characters"
    tags = ("characters",)

    @get(operation_id="listCharacters", responses=errors())
    async def everybody(self, app: App) -> list[records.Character]:
        """All characters, oldest first."""
        return outs(records.Character, await app.storage.characters())

    @get("/active", operation_id="listActiveCharacters", responses=errors())
    async def active(self, app: App) -> list[records.Character]:
        """Those that take part in new conversations, oldest first."""
        return outs(records.Character, await app.storage.characters(active=True))

    @get("/search", operation_id="searchCharacters", responses=errors(400))
    async def search(self, app: App, words: Query) -> list[records.Character]:
        """Those whose name or system prompt holds every word of the query, in any case.

        Those whose name does come first.
        """
        return outs(records.Character, found(await app.storage.characters(), words))

    @get("/{id:str}", operation_id="getCharacter", responses=errors(400, 404))
    async def one(self, app: App, id: Id) -> records.Character:
        """One character."""
        return out(records.Character, await app.storage.character(id))

    @post(operation_id="createCharacter", responses=errors(400, 404))
    async def add(self, app: App, data: JSONBody[records.NewCharacter]) -> records.Character:
        """Make a character; its id is made of its name."""
        check_extensions(data.extensions)
        check_pictures(sent(data))
        made = await app.storage.add_character(Character("", **sent(data)))
        return out(records.Character, made)

    @post(
        "/import",
        operation_id="importCharacter",
        before_request=check_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 413),
    )
    async def take_in(self, app: App, data: MultipartBody[voices.CardUpload]) -> records.Character:
        """Make a character of a card of SillyTavern and others: PNG, JSON or CHARX.

        It does not take part in new conversations yet. What the card wants of model, temperature,
        tools and limits is in `extensions.proposed`, and holds once you PUT it where it belongs:
        `model`, `temperature`, `extensions.tools`, `extensions.llm`.
        """
        try:
            return out(records.Character, await app.card_import.take_in(data.file))
        finally:
            await data.file.close()

    @put("/{id:str}", operation_id="changeCharacter", responses=errors(400, 404))
    async def change(
        self, app: App, id: Id, data: JSONBody[records.CharacterChanges]
    ) -> records.Character:
        """Change the fields that are sent."""
        check_extensions(sent(data).get("extensions", {}))
        if has_foreign(sent(data)):
            check_pictures(sent(data), await app.storage.character(id))
        return await _change(app, id, sent(data))

    @put("/{id:str}/active", operation_id="activateCharacter", responses=errors(400, 404))
    async def activate(
        self,
        app: App,
        id: Id,
        is_active: Annotated[bool, QueryParameter(description="Whether it takes part.")],
    ) -> records.Character:
        """Let a character take part in new conversations, or not."""
        return await _change(app, id, {"is_active": is_active})

    @delete(
        "/{id:str}", operation_id="deleteCharacter", status_code=200, responses=errors(400, 404)
    )
    async def remove(self, app: App, id: Id) -> records.Deleted:
        """Remove a character, from conversations too; what it said stays."""
        await app.storage.delete_character(id)
        await app.rooms.character_changed(id)
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


async def _change(app: ApplicationState, id: str, changed: dict[str, object]) -> records.Character:
    async with app.rooms.record_locks.with_all([id]):
        character = await app.storage.change_character(id, changed)
    await app.rooms.character_changed(id)
    return out(records.Character, character)
