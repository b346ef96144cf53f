"""Lanes: where the events of one subscription wait, in order and within bounds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Hashable
from contextvars import ContextVar

import anyio
from attrs import Factory, define

from aichat.core.events import Event

from .subscription import Overflow, Subscription

log = logging.getLogger(__name__)

HEED_SECONDS = 3.0
"""A handler that was cancelled may take so long to end: engines close their streams within two."""

Key = tuple[Subscription, Hashable]


@define(eq=False)
class Lane:
    """The events that wait for one subscription, each with whether it counts against the limit.

    Urgent events do not count, nor do those that a handler publishes to its own lane: it cannot
    wait for itself.
    """

    subscription: Subscription
    key: Key
    queue: deque[tuple[Event, bool]] = Factory(deque)
    counted: int = 0
    current: Event | None = None
    """The event that the handler is working on."""
    scope: anyio.CancelScope | None = None
    watch: anyio.CancelScope | None = None
    """Waits for the handler to heed that it was cancelled."""
    waits_for: list[Lane] = Factory(list)
    """Full lanes for which this lane's handler waits as a publisher."""
    room: anyio.Event | None = None
    """Publishers wait for it; set, and replaced, when they need no longer."""

    @property
    def is_full(self) -> bool:
        """Whether it has reached its limit."""
        return self.counted >= self.subscription.limit

    def append(self, event: Event) -> bool:
        """Queue *event*; return whether its publisher has to wait until there is room."""
        waits = self.subscription.overflow is Overflow.WAIT
        counts = not (event.urgent or (waits and self._holds_up(current_lane.get())))
        self.queue.append((event, counts))
        self.counted += counts
        return counts and self.counted > self.subscription.limit

    def pop(self, place: int = 0) -> Event:
        """Take out one event, and let the publishers go on if that leaves room."""
        event, counts = self.queue[place]
        del self.queue[place]
        self.counted -= counts
        if self.room and self.counted <= self.subscription.limit:
            self.room.set()
            self.room = None
        return event

    def begin_watch(self) -> anyio.CancelScope | None:
        """Return what is to be cancelled when the handler has ended; None if it is watched."""
        if self.watch:
            return None
        self.watch = anyio.CancelScope()
        return self.watch

    async def outlived(self, watch: anyio.CancelScope) -> Lane | None:
        """Wait for the handler to heed that it was cancelled; else return a lane with what waits.

        Until it does, *watch* is not cancelled. An engine may be stuck in a thread or in a shield.
        """
        with watch:
            await anyio.sleep(HEED_SECONDS)
        if watch.cancel_called:
            return None
        log.error("%s does not stop: it is left behind", self.subscription.name)
        heir = Lane(self.subscription, self.key, self.queue, self.counted, room=self.room)
        self.queue, self.counted, self.room = deque(), 0, None
        return heir

    def given_up_for(self, event: Event) -> int | None:
        """Return the place of the event that is dropped for *event*, if any."""
        if self.subscription.overflow is not Overflow.COALESCE:
            return None
        for place, (waiting, _) in enumerate(self.queue):
            if type(waiting) is type(event):
                return place
        if self.is_full and not event.urgent:
            return next(place for place, (_, counts) in enumerate(self.queue) if counts)
        return None

    async def wait_for_room(self) -> None:
        """Wait while the lane is over its limit."""
        publisher = current_lane.get()
        if publisher:
            publisher.waits_for.append(self)
        try:
            while self.counted > self.subscription.limit and not self._holds_up(publisher):
                self.room = self.room or anyio.Event()
                await self.room.wait()
        finally:
            if publisher:
                publisher.waits_for.remove(self)

    def _holds_up(self, publisher: Lane | None) -> bool:
        """Return whether this lane is the publisher's own, or waits for it through others."""
        seen: set[int] = set()
        todo = [self] if publisher else []
        while todo:
            if (lane := todo.pop()) is publisher:
                return True
            if id(lane) not in seen:
                seen.add(id(lane))
                todo += lane.waits_for
        return False


current_lane: ContextVar[Lane | None] = ContextVar("current_lane", default=None)
"""The lane whose handler is running: the publisher's."""
