"""Which weights of a backend are on this disk, where, and how large they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from aichat.toolkit.weights import Weights, cache_folder, find, held_bytes

MB = 1_000_000


@frozen
class Holding:
    """*state*: all of it is here, a part of it (a download was cut), or nothing."""

    name: str
    repository: str
    state: Literal["here", "partly here", "missing"]
    bytes: int
    path: str

    @property
    def summary(self) -> str:
        """Its state and size, in a few words."""
        size = f"{self.bytes / MB:.1f} MB" if self.bytes < 100 * MB else f"{self.bytes // MB} MB"
        return self.state if self.state == "missing" else f"{self.state}, {size}"


def held(weights: Weights, hub: Any) -> Holding:
    """Return what the disk holds of *weights*. *hub* is the module huggingface_hub."""
    found, size = find(weights, hub), held_bytes(weights, hub)
    if found:
        return Holding(weights.name, weights.repository, "here", size, str(found))
    path = cache_folder(weights, hub) if weights.repository else Path(weights.name)
    state: Literal["partly here", "missing"] = "partly here" if size else "missing"
    return Holding(weights.name, weights.repository, state, size, str(path))
