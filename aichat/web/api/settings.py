"""The application's settings over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, get, put
from litestar.params import JSONBody

from aichat.web.application_state import App
from aichat.web.schemas import records
from aichat.web.schemas.parameters import errors
from aichat.web.schemas.settings import sent
from aichat.web.settings.conversation_defaults import SETTINGS


class Settings(Controller):
    """What new conversations begin with."""

    path = "/settings"
    tags = ("settings",)

    @get(operation_id="getSettings", responses=errors())
    async def read(self, app: App) -> records.Settings:
        """What new conversations begin with."""
        return _shown(await app.storage.settings())

    @put(operation_id="changeSettings", responses=errors(400))
    async def change(self, app: App, data: JSONBody[records.SettingsChanges]) -> records.Settings:
        """Change the settings that are sent; null takes one away."""
        return _shown(await app.storage.change_settings(sent(data)))


def _shown(settings: Mapping[str, Any]) -> records.Settings:
    return records.Settings(**{name: settings.get(name) for name in SETTINGS})
