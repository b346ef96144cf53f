"""The tools that characters may use, over REST."""

from __future__ import annotations

from litestar import Controller, get
from litestar.datastructures import State

from . import schemas
from .params import errors
from .reach import parts


class Tools(Controller):
    """What characters may use while they write."""

    path = "/tools"
    tags = ("plugins",)

    @get(operation_id="listTools", responses=errors())
    async def listed(self, state: State) -> list[schemas.Tool]:
        """Every tool; a character has those that its ``extensions.tools`` names."""
        return schemas.outs(schemas.Tool, parts(state).tools.values())
