"""The multilingual variant of an English model, which joins once another language is spoken."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from attrs import define, field

from aichat.core import AichatError
from aichat.toolkit.weights import Weights

log = logging.getLogger(__name__)


@define(eq=False)
class SecondModel:
    """Loads a model in the background when it is wanted. Until then *engine* is None."""

    weights: Weights
    load: Callable[[Weights], Awaitable[Any]]
    """Finds or downloads the weights, and loads them. Raises AichatError."""
    report: Callable[[str], None]
    engine: Any = None
    is_coming: bool = False
    """It is being fetched or loaded."""
    failure: str = ""
    """Why the last attempt has failed."""
    _wanted: anyio.Event = field(factory=anyio.Event)

    def want(self) -> None:
        """Fetch and load it, unless that is done or going on. Returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Load it as soon as it is wanted; after a failure, when it is wanted again."""
        while self.engine is None:
            await self._wanted.wait()
            self.is_coming = True
            try:
                self.engine = await self.load(self.weights)
            except AichatError as error:
                self.failure = error.line
                log.warning("Whisper %s cannot be used: %s", self.weights.name, error.line)
            finally:
                self.is_coming, self._wanted = False, anyio.Event()
                self.report("")
