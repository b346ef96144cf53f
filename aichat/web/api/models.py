"""The language models that the serving backend offers, over REST."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import anyio
from attrs import define, field
from litestar import Controller, get
from litestar.datastructures import State

from aichat.core import ListsModels, Model, NotReady, Parts
from aichat.web.schemas import records
from aichat.web.schemas.parameters import errors
from aichat.web.schemas.records import outs

from .dependencies import parts

KEPT_SECONDS = 300.0


@define(eq=False)
class Catalogue:
    """A cache of the models that a backend lists; one request to it at a time."""

    models: Sequence[Model] = ()
    source: object = None
    until: float = 0.0
    asking: anyio.Lock = field(factory=anyio.Lock)

    async def ask(self, parts: Parts) -> Sequence[Model]:
        """Return the models of the serving backend. Raises NotReady if it cannot list them."""
        llm: object = parts.llm
        if not isinstance(llm, ListsModels):
            raise NotReady(
                "The language model in use has no list of models.",
                "Connect one that has, see [llm] in plugins.toml.",
            )
        async with self.asking:
            if self.source is not llm or monotonic() >= self.until:
                self.models, self.source = await llm.models(), llm
                self.until = monotonic() + KEPT_SECONDS
            return self.models


class Models(Controller):
    """Language models that conversations and characters may name."""

    path = "/models"
    tags = ("models",)

    @get(operation_id="listModels", responses=errors())
    async def listed(self, state: State) -> list[records.Model]:
        """The models of the serving language model backend; 503 when it cannot list them."""
        catalogue: Catalogue = state.catalogue
        return outs(records.Model, await catalogue.ask(parts(state)))
