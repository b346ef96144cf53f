"""The language models that the serving backend offers, over REST."""

from __future__ import annotations

from litestar import Controller, get

from aichat.web.application_state import App
from aichat.web.schemas import system
from aichat.web.schemas.parameters import errors
from aichat.web.schemas.records import outs


class Models(Controller):
    """Language models that conversations and characters may name."""

    path = "/models"
    tags = ("models",)

    @get(operation_id="listModels", responses=errors())
    async def listed(self, app: App) -> list[system.Model]:
        """The models of the serving language model backend; 503 when it cannot list them."""
        return outs(system.Model, await app.catalogue.ask(app.parts))
