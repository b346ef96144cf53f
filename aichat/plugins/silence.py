"""Turn detection by silence alone: the user has finished when nothing was heard for a while."""

from __future__ import annotations

from attrs import frozen

from aichat.core import Backend, Pause, TurnDetector, hookimpl


@frozen
class Silence:
    """*end_ms* of silence end the turn.

    Whoever speaks over characters makes them hold at once. Words interrupt them, and so do
    *barge_in_ms* of speech whatever the words; else they go on, *resume_ms* after the voice ended
    at the latest. *back_channels* ("mhm") do not count as words; *stop_phrases* ("hold on") stop
    everybody, or with a name that one, and open no turn. Not given, the lists are aichat's own.
    """

    end_ms: int = 600
    barge_in_ms: int = 1_000
    resume_ms: int = 1_000
    back_channels: list[str] | None = None
    stop_phrases: list[str] | None = None

    def is_over(self, pause: Pause) -> bool:
        return pause.silence_ms >= self.end_ms


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
