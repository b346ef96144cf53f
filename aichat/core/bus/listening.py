"""How plug-ins come to listen to the bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aichat.core.events import Event, Turn

from .conversation import Talks
from .subscription import Gate, Overflow, Subscription, subscription
from .unfinished import Unfinished

E = TypeVar("E", bound=Event)


class Listening:
    """What a bus is for those who listen and ask."""

    def __init__(self) -> None:
        self._talks = Talks()
        self._unfinished, self._unkept = Unfinished(), Unfinished()

    def subscribe(
        self,
        handler: Callable[[E], Awaitable[None]],
        *,
        interruptible: bool = False,
        ahead: bool = False,
        conversation: str | None = None,
        lane_by: Callable[[E], Hashable] | None = None,
        limit: int = 64,
        overflow: Overflow = Overflow.WAIT,
        keeps: bool = False,
    ) -> Subscription:
        """Call *handler* for every event of the types its annotation names, subclasses too.

        *interruptible* work is cancelled with its turn; records and the user interface are not.
        *ahead*: it hears of provisional turns at once; it must not do what cannot be undone.
        *conversation* limits the subscription to one. *lane_by* splits a conversation into lanes
        that run side by side, say one for each speaking character. *keeps*: it writes down what
        happens, so that aichat does not end before it has (within some seconds).
        """
        listener = subscription(
            handler,
            tap=False,
            interruptible=interruptible,
            ahead=ahead,
            conversation=conversation,
            lane_by=lane_by,
            limit=limit,
            overflow=overflow,
            keeps=keeps,
        )
        self._talks.listen(listener)
        return listener

    def tap(
        self,
        handler: Callable[[E], Gate | None],
        *,
        interruptible: bool = False,
        conversation: str | None = None,
    ) -> Subscription:
        """Call the plain function *handler* at once, inside ``publish``.

        It must return within a millisecond. It may hand back an async function without arguments:
        ``publish`` awaits it, which is how a player holds back those who produce faster than it
        plays.
        """
        listener = subscription(
            handler, tap=True, interruptible=interruptible, conversation=conversation
        )
        self._talks.listen(listener)
        return listener

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling the handler; what it is doing now is cancelled."""
        self._talks.unlisten(subscription)

    @contextmanager
    def subscribed(
        self, handler: Callable[[E], Awaitable[None]], **how: Any
    ) -> Iterator[Subscription]:
        """Subscribe for the length of a ``with`` block."""
        subscription = self.subscribe(handler, **how)
        try:
            yield subscription
        finally:
            self.unsubscribe(subscription)

    # -- asking --------------------------------------------------------------------------------

    def turn(self, conversation: str) -> Turn:
        """Return the turn a conversation is in."""
        return self._talks.keep(conversation).latest

    def live_turn(self, conversation: str) -> Turn | None:
        """Return the turn that is going on: begun, not finished, not interrupted."""
        talk = self._talks.peek(conversation)
        return talk.latest if talk.live else None

    def is_void(self, event: Event) -> bool:
        """Tell whether an interruption has cut off the event's turn or line."""
        return self._talks.peek(event.turn.conversation).is_void(event)

    async def committed(self, turn: Turn) -> None:
        """Wait while *turn* is provisional. Who waits for one that is revoked is cancelled."""
        waiting = self._talks.peek(turn.conversation).provisional
        if waiting and waiting.turn == turn:
            await waiting.decided.wait()

    async def settled(self) -> None:
        """Wait until every event published so far has been handled. Not for use in a handler."""
        await self._unfinished.over()

    async def kept(self) -> None:
        """Wait until those who keep what happens have kept it. Not for use in a handler."""
        await self._unkept.over()
