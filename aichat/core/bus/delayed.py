"""Events that are published after a while, or when the bus closes: whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio

from aichat.core.errors import BusError
from aichat.core.events import Event

from .lane import current_lane
from .tasks import Crew


def require_urgent(event: Event) -> None:
    """Refuse what has to wait for room in full lanes."""
    if not event.urgent:
        raise BusError(f"{type(event).__name__} is not urgent.", "Use `await publish()`.")


class Later:
    """Keeps them until they are due. *post* publishes one; *crew* waits."""

    def __init__(self, crew: Crew, post: Callable[[Event], None]) -> None:
        self._crew, self._post = crew, post
        self._waiting: dict[anyio.CancelScope, Event] = {}
        self._is_closed = False

    def add(self, event: Event, seconds: float) -> bool:
        """Publish *event* after so many *seconds*; return False if there is no later."""
        require_urgent(event)
        if self._is_closed:
            return False
        scope = anyio.CancelScope()
        self._waiting[scope] = event
        self._crew.start(partial(self._wait, scope, seconds))
        return True

    def close(self) -> None:
        """Publish everything now; nothing more can wait."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for scope, event in waiting.items():
            scope.cancel()
            self._post(event)

    async def _wait(self, scope: anyio.CancelScope, seconds: float) -> None:
        current_lane.set(None)  # nobody's handler publishes it
        with scope:
            await anyio.sleep(seconds)
            if event := self._waiting.pop(scope, None):  # else it was published on closing
                self._post(event)
