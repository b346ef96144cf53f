"""The language models that the serving backend lists, cached for some minutes."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import anyio
from attrs import define, field

from aichat.core import ListedModel, ListsModels, NotReady, Parts

KEPT_SECONDS = 300.0


@define(eq=False)
class Catalogue:
    """A cache of the models that a backend lists; one request to it at a time."""

    models: Sequence[ListedModel] = ()
    source: object = None
    until: float = 0.0
    asking: anyio.Lock = field(factory=anyio.Lock)

    async def ask(self, parts: Parts) -> Sequence[ListedModel]:
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
