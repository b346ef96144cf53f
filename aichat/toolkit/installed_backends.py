"""Installed backends: all that plug-ins offer, whether plugins.toml uses them or not."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

import pluggy
from attrs import field, frozen

from aichat.core.backends import PARTS
from aichat.core.errors import AichatError
from aichat.core.registry.config import Config, build

from .model_choices import Recommended, recommended
from .weights import Weights, needed_weights


@frozen
class Installed:
    """A backend, and what it needs with the settings that it has in plugins.toml.

    *place* is its place in ``use``, from 0; None when it is not named there. *problem* is why it
    cannot be constructed.
    """

    part: str
    name: str
    place: int | None = None
    weights: Sequence[Weights] = ()
    problem: str = ""
    recommended: Recommended = field(factory=Recommended)


def installed(config: Config, manager: pluggy.PluginManager) -> list[Installed]:
    """Return all installed backends, without starting them; sorted by part, those in use first.

    Blocks: backends are constructed, which reads the disk.
    """
    found = [
        _look(config, part, offer)
        for part in PARTS
        for offer in getattr(manager.hook, f"{part}_backend")()
    ]
    last = len(found)
    order = {part: number for number, part in enumerate(PARTS)}
    return sorted(
        found, key=lambda one: (order[one.part], last if one.place is None else one.place, one.name)
    )


def weights_of_model(manager: pluggy.PluginManager, model: str) -> Weights | None:
    """Return the weights of a model that some backend knows by this name, used or not.

    None for a repository: any backend would accept that, whatever it holds.
    """
    if "/" in model:
        return None
    for part in PARTS:
        for offer in getattr(manager.hook, f"{part}_backend")():
            if "model" not in signature(offer.make).parameters:
                continue
            try:
                needed = needed_weights(offer.make(model=model))
            except (AichatError, TypeError):  # it knows no such model, or needs other settings
                continue
            if found := next((one for one in needed if one.repository and one.name == model), None):
                return found
    return None


def _look(config: Config, part: str, offer: object) -> Installed:
    name, make = offer.name, offer.make  # type: ignore[attr-defined]
    use = config.parts[part].use
    place = use.index(name) if name in use else None
    try:
        backend = build(config, part, name, make)()
        weights = needed_weights(backend)
    except AichatError as error:
        return Installed(part, name, place, (), error.line)
    return Installed(part, name, place, weights, recommended=recommended(backend))
