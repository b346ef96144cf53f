"""Events that are published after a delay, or when the bus stops, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio

from aichat.core.errors import BusError
from aichat.core.events import Event

from .lane import current_lane
from .task_pool import TaskPool


def require_urgent(event: Event) -> None:
    """Raise :class:`BusError` for an event that is subject to back-pressure."""
    if not event.urgent:
        raise BusError(f"{type(event).__name__} is not urgent.", "Use `await publish()`.")


class DelayedEvents:
    """Holds events until they are due. *post* publishes one; tasks of *pool* wait."""

    def __init__(self, pool: TaskPool, post: Callable[[Event], None]) -> None:
        self._pool, self._post = pool, post
        self._waiting: dict[anyio.CancelScope, Event] = {}
        self._is_closed = False

    def add(self, event: Event, seconds: float) -> bool:
        """Publish *event* after *seconds*; return False if the bus has stopped."""
        require_urgent(event)
        if self._is_closed:
            return False
        scope = anyio.CancelScope()
        self._waiting[scope] = event
        self._pool.start(partial(self._wait, scope, seconds))
        return True

    def close(self) -> None:
        """Publish everything now; nothing more can wait."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for scope, event in waiting.items():
            scope.cancel()
            self._post(event)

    async def _wait(self, scope: anyio.CancelScope, seconds: float) -> None:
        current_lane.set(None)  # no handler publishes it
        with scope:
            await anyio.sleep(seconds)
            if event := self._waiting.pop(scope, None):  # else it was published on closing
                self._post(event)
