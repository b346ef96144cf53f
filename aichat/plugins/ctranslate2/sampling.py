"""How the next token is chosen: as the conversation has it, else as the model's makers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen


@frozen
class Sampling:
    """What a model's makers advise (``generation_config.json``), or what suits small models."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 40
    repetition_penalty: float = 1.1

    def options(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return CTranslate2's options. A temperature of 0 always takes the likeliest token."""
        chosen = settings.get("temperature")
        temperature = self.temperature if chosen is None else float(chosen)
        penalty = {"repetition_penalty": self.repetition_penalty}
        if temperature <= 0:
            return {"sampling_topk": 1, **penalty}
        top_p = settings.get("top_p")
        return {
            "sampling_temperature": temperature,
            "sampling_topp": min(max(float(self.top_p if top_p is None else top_p), 0.01), 1.0),
            "sampling_topk": self.top_k,
            **penalty,
        }


def sampling_of(advised: Mapping[str, Any]) -> Sampling:
    """Return the advice in a ``generation_config.json``; what is no number there is ignored."""
    found = {name: advised.get(name) for name in Sampling.__annotations__}
    known: dict[str, Any] = {
        name: value for name, value in found.items() if isinstance(value, (int, float)) and value
    }
    return Sampling(**known)
