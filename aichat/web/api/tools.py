"""The tools that characters may use, over REST."""

from __future__ import annotations

from litestar import Controller, get

from aichat.web.application_state import App
from aichat.web.schemas import records, system
from aichat.web.schemas.parameters import errors


class Tools(Controller):
    """What characters may use while they write."""

    path = "/tools"
    tags = ("plugins",)

    @get(operation_id="listTools", responses=errors())
    async def listed(self, app: App) -> list[system.Tool]:
        """Every tool; a character has those that its ``extensions.tools`` names."""
        return records.outs(system.Tool, app.parts.tools.values())
