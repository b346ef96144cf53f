"""The application's settings over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, get, put
from litestar.datastructures import State
from litestar.params import JSONBody

from aichat.web.schemas import records
from aichat.web.schemas.parameters import errors
from aichat.web.schemas.settings import sent
from aichat.web.settings.conversation_defaults import SETTINGS

from .dependencies import storage


class Settings(Controller):
    """What new conversations begin with."""

    path = "/settings"
    tags = ("settings",)

    @get(operation_id="getSettings", responses=errors())
    async def read(self, state: State) -> records.Settings:
        """What new conversations begin with."""
        return _shown(await storage(state).settings())

    @put(operation_id="changeSettings", responses=errors(400))
    async def change(
        self, state: State, data: JSONBody[records.SettingsChanges]
    ) -> records.Settings:
        """Change the settings that are sent; null takes one away."""
        return _shown(await storage(state).change_settings(sent(data)))


def _shown(settings: Mapping[str, Any]) -> records.Settings:
    return records.Settings(**{name: settings.get(name) for name in SETTINGS})
