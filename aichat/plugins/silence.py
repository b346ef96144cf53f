"""Turn detection by silence alone: the user has finished when nothing was heard for a while."""

from __future__ import annotations

from attrs import frozen

from aichat.core import Backend, Pause, TurnDetector, hookimpl


@frozen
class Silence:
    """*end_ms* of silence end the turn; *barge_in_ms* of speech interrupt the characters."""

    end_ms: int = 600
    barge_in_ms: int = 250

    def is_over(self, pause: Pause) -> bool:
        return pause.silence_ms >= self.end_ms


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
