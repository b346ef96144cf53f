"""Language models that can be downloaded to this machine: which there are, and how fast here."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from anyio import to_thread
from attrs import define, frozen
from pluggy import PluginManager

from aichat.core import BadValue, Config, Parts
from aichat.toolkit.installed_backends import Installed, installed
from aichat.toolkit.model_choices import ModelChoice, Rate
from aichat.toolkit.weights import find

PART = "llm"


@frozen
class LocalModel:
    """A model that a backend recommends. *expected* is its speed here; "" while not measured."""

    choice: ModelChoice
    is_here: bool
    expected: str


@define(eq=False)
class LocalModels:
    """The models that the first language model backend in ``use`` recommends, if one does."""

    config: Config
    manager: PluginManager
    parts: Parts
    rate: Rate | None = None

    async def listed(self) -> list[LocalModel]:
        """Return the models, whether each is on this disk, and how fast it would be."""
        return await to_thread.run_sync(self._listed)

    async def measure(self) -> None:
        """Measure this machine; it takes a second or two."""
        backend = await self._backend()
        if backend and backend.recommended.measure:
            self.rate = await to_thread.run_sync(backend.recommended.measure)

    async def fetch(self, name: str) -> None:
        """Download a model and use it. Raises :class:`BadValue` if that cannot be begun."""
        backend = await self._backend()
        known = [one.name for one in backend.recommended.choices] if backend else []
        if backend is None or name not in known:
            raise BadValue(f"No model here is called {name[:60]!r}.", "Choose one of the list.")
        if not self.parts.retry(PART, backend.name, model=name, download=True):
            raise BadValue(
                f"{backend.name} is in use already, or is starting.",
                f"Run `litestar aichat models download {name}`, and start aichat again.",
            )

    async def _backend(self) -> Installed | None:
        return await to_thread.run_sync(self._recommending)

    def _recommending(self) -> Installed | None:
        known = installed(self.config, self.manager)
        return next(
            (
                one
                for one in known
                if one.part == PART and one.place is not None and one.recommended.choices
            ),
            None,
        )

    def _listed(self) -> list[LocalModel]:
        backend = self._recommending()
        if backend is None or find_spec("huggingface_hub") is None:
            return []
        hub, rate = import_module("huggingface_hub"), self.rate
        return [
            LocalModel(
                choice,
                find(choice.weights, hub) is not None,
                rate.words(choice.megabytes) if rate else "",
            )
            for choice in backend.recommended.choices
        ]
