"""What aichat is made of, over REST."""

from __future__ import annotations

import msgspec
from litestar import Controller, get
from litestar.datastructures import State
from pluggy import PluginManager

from . import schemas
from .params import errors
from .reach import parts


class Plugins(Controller):
    """Plug-ins, and who plays which part."""

    path = "/plugins"
    tags = ("plugins",)

    @get(operation_id="listPlugins", responses=errors())
    async def listed(self, state: State) -> schemas.Plugins:
        """Plug-ins, and every part's candidates with how far they have got."""
        statuses = [msgspec.to_builtins(status) for status in parts(state).statuses()]
        return schemas.Plugins(
            _plugins(state.manager), msgspec.convert(statuses, list[schemas.PartStatus])
        )


def _plugins(manager: PluginManager) -> list[schemas.Plugin]:
    """Describe those that are registered, and those that plugins.toml keeps out."""
    named = sorted(manager.list_name_plugin(), key=lambda pair: pair[0])
    return [schemas.Plugin(name, _module(plugin), plugin is not None) for name, plugin in named]


def _module(plugin: object) -> str | None:
    """Name the module that a plug-in is, or that its class is in."""
    name = getattr(plugin, "__name__", None) or type(plugin).__module__
    return None if plugin is None else str(name)
