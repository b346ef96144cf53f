"""Traces: what observers of the bus receive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import StrEnum

from attrs import frozen

from aichat.core.events import Event

log = logging.getLogger(__name__)


class Step(StrEnum):
    """The steps of an event through the bus."""

    HELD = "held"
    """Its turn is speculative: most subscribers receive it at the commit, or never."""
    PUBLISHED = "published"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DROPPED = "dropped"


@frozen
class Trace:
    """One observation: *event* reached *step* at *handler*, which ran for *seconds*."""

    step: Step
    event: Event
    handler: str = ""
    seconds: float = 0.0


def notify(observers: Iterable[Callable[[Trace], None]], trace: Trace) -> None:
    """Call every observer; one that raises is logged and does no harm."""
    for observer in observers:
        try:
            observer(trace)
        except Exception:
            log.exception("observer %r failed", observer)
