"""Plug-ins, parts, and the live settings of backends, over REST."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Controller, get, put
from litestar.params import JSONBody
from pluggy import PluginManager

from aichat.web.application_state import App
from aichat.web.schemas import records, system
from aichat.web.schemas.parameters import Id, errors
from aichat.web.settings.live_settings import LiveValue


class Plugins(Controller):
    """Plug-ins, the backends that fill parts, and their live settings."""

    path = "/plugins"
    tags = ("plugins",)

    @get(operation_id="listPlugins", responses=errors())
    async def listed(self, app: App) -> system.Plugins:
        """Plug-ins, and every part's candidates with how far they have got."""
        statuses = [msgspec.to_builtins(status) for status in app.parts.statuses()]
        return system.Plugins(
            _plugins(app.manager), msgspec.convert(statuses, list[system.PartStatus])
        )

    @get(
        "/{part:str}/{name:str}/settings",
        operation_id="getBackendSettings",
        responses=errors(400, 404),
    )
    async def settings(self, app: App, part: Id, name: Id) -> list[system.BackendSetting]:
        """The live settings of a backend; none while it has not started."""
        return _shown(app.live_settings.of(part, name))

    @put(
        "/{part:str}/{name:str}/settings",
        operation_id="changeBackendSettings",
        responses=errors(400, 404),
    )
    async def change(
        self,
        app: App,
        part: Id,
        name: Id,
        data: JSONBody[records.BackendChanges],
    ) -> list[system.BackendSetting]:
        """Change the settings that are sent, from the next utterance on; null takes one back."""
        await app.live_settings.change(part, name, data)
        return _shown(app.live_settings.of(part, name))


def _shown(found: Sequence[LiveValue]) -> list[system.BackendSetting]:
    return [
        system.BackendSetting(
            one.name, one.value, one.base, one.is_changed, one.setting.takes, one.setting.mark.low,
            one.setting.mark.high, list(one.setting.choices),
        )
        for one in found
    ]  # fmt: skip


def _plugins(manager: PluginManager) -> list[system.Plugin]:
    """Return every plug-in, also those that plugins.toml blocks."""
    named = sorted(manager.list_name_plugin(), key=lambda pair: pair[0])
    return [system.Plugin(name, _module(plugin), plugin is not None) for name, plugin in named]


def _module(plugin: object) -> str | None:
    """Name the module that a plug-in is, or that its class is in."""
    name = getattr(plugin, "__name__", None) or type(plugin).__module__
    return None if plugin is None else str(name)
