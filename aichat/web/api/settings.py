"""The application's settings over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, get, put
from litestar.datastructures import State
from litestar.params import JSONBody

from aichat.web.defaults import SETTINGS
from aichat.web.values import sent

from . import schemas
from .params import errors
from .reach import storage


class Settings(Controller):
    """What new conversations begin with."""

    path = "/settings"
    tags = ("settings",)

    @get(operation_id="getSettings", responses=errors())
    async def read(self, state: State) -> schemas.Settings:
        """What new conversations begin with."""
        return _shown(await storage(state).settings())

    @put(operation_id="changeSettings", responses=errors(400))
    async def change(
        self, state: State, data: JSONBody[schemas.SettingsChanges]
    ) -> schemas.Settings:
        """Change the settings that are sent; null takes one away."""
        return _shown(await storage(state).change_settings(sent(data)))


def _shown(settings: Mapping[str, Any]) -> schemas.Settings:
    return schemas.Settings(**{name: settings.get(name) for name in SETTINGS})
