"""Engines that take as long as real ones, and fail as they do."""

from __future__ import annotations

from aichat.core.testing.fakes import FakeTurn
from aichat.core.testing.simulated_backends import SimulatedLlm, SimulatedStt, SimulatedTts


def engines(seed: int, fail_rate: float = 0.02) -> dict[str, object]:
    """Backends for a_chat and Given; the same seed, the same delays and failures."""
    how = {"jitter": 0.3, "fail_rate": fail_rate, "seed": seed}
    return {
        "turn": FakeTurn(end_ms=300, barge_in_ms=250),
        "stt": SimulatedStt(**how),
        "llm": SimulatedLlm(**how),
        "tts": SimulatedTts(**how),
    }
