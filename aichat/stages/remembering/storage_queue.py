"""Messages on their way to the store: one queue for each conversation.

No turn waits for a disk, and no conversation for another. A queue holds the newest version of each
message, in the order in which the messages began; so a slow store is never flooded. What the store
refuses is tried again with the next message, after a pause that grows, and once more when aichat
stops. Adding a message again is harmless, so one that was written although the store said
otherwise is there once.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import ClassVar

import anyio
from attrs import define, evolve, field, frozen

from aichat.core import AichatError, Bus, Message, NotFound, Parts, Unreachable
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.events import ConversationClosed, Event, Turn

log = logging.getLogger(__name__)

WAITING = 1_000
"""Most messages of a conversation that wait for a failing store; then the oldest is given up."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds until the store is tried again; the pause doubles each time."""
TRIES = 5
"""Retries of a write that fails with an unknown error before it is given up."""


@define(eq=False)
class Change:
    """One change that the store is to take in: a message's newest version, or that it is gone."""

    message_id: str
    message: Message | None
    is_final: bool = True
    """The line that it is of is over."""
    tries: int = 0
    """How often it failed after a pause, with an error of no known kind."""


@define(eq=False)
class Queue:
    """What of one conversation waits for the store, oldest first."""

    turn: Turn
    """The latest turn that brought something."""
    changes: dict[str, Change] = field(factory=dict)
    is_served: bool = False
    """Whether a worker writes its changes, or is about to."""
    is_paused: bool = False
    """Whether the store has refused; it is tried again after a pause."""
    pause: float = FIRST_PAUSE
    given_up: int = 0
    """Changes dropped for lack of room since the last report."""
    is_gone: bool = False
    """Whether the conversation was deleted, which was reported."""
    refusal: Unreachable | None = None
    """Why nothing was written at the last try."""
    tried: ChangeSignal = field(factory=ChangeSignal)
    """Notified after every try."""
    is_closed: bool = False
    """Whether the conversation has been closed."""

    def put(self, turn: Turn, change: Change) -> int:
        """Take in a change; return how many were given up for it."""
        self.turn = turn
        self.changes[change.message_id] = change
        if len(self.changes) <= WAITING:
            return 0
        del self.changes[next(iter(self.changes))]
        self.given_up += 1
        return 1

    def drop(self, change: Change) -> None:
        """It is written, or never will be; a newer version of the message stays."""
        if self.changes.get(change.message_id) is change:
            del self.changes[change.message_id]


@frozen
class StoreDue(Event):
    """A conversation's changes are to be written now; *again*: those that were refused before."""

    queue: Queue = field(repr=False)
    again: bool = False

    urgent: ClassVar[bool] = True
    internal: ClassVar[bool] = True


@define(eq=False)
class StorageQueues:
    """Writes what happens to messages into the store."""

    bus: Bus
    parts: Parts
    queues: dict[str, Queue] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.parts.writes.pending.append(self)

    def add(self, turn: Turn, message: Message, *, is_final: bool = True) -> None:
        """Have a message written; one that is not final does not wake a store that refuses."""
        self._put(turn, Change(message.message_id, message, is_final), hurry=is_final)

    def delete(self, turn: Turn, message_id: str) -> None:
        """Have a message taken away, also one that is on its way to the store."""
        self._put(turn, Change(message_id, None), hurry=True)

    def _put(self, turn: Turn, change: Change, *, hurry: bool) -> None:
        queue = self.queues.get(turn.conversation)
        if queue is None:
            queue = self.queues[turn.conversation] = Queue(turn)
        queue.is_closed = not self.bus.is_open(turn.conversation)
        if given_up := queue.put(turn, change):
            self.bus.dropped[f"{__name__}.StorageQueues.write"] += given_up
        if hurry or not queue.is_paused:
            self._serve(queue)

    def _serve(self, queue: Queue) -> None:
        if not queue.is_served:
            queue.is_served = True
            self.bus.post(StoreDue(queue.turn, queue))

    # -- for those who change a message that may be on its way -------------------------------

    def is_pending(self, message_id: str) -> bool:
        """Tell whether what a message has become in the end is yet to be written."""
        queue = self._queue_of(message_id)
        return queue is not None and queue.changes[message_id].is_final

    async def flush(self, message_id: str) -> None:
        """Wait until a message is written, if it waits. Raises Unreachable if the store refuses."""
        while queue := self._queue_of(message_id):
            self._serve(queue)
            await queue.tried.wait()
            if queue.refusal and message_id in queue.changes:
                raise queue.refusal

    def discard(self, message_id: str) -> None:
        """Write nothing more of a message: it is gone."""
        if queue := self._queue_of(message_id):
            del queue.changes[message_id]

    def _queue_of(self, message_id: str) -> Queue | None:
        return next((one for one in self.queues.values() if message_id in one.changes), None)

    # -- writing -----------------------------------------------------------------------------

    def forget(self, event: ConversationClosed) -> None:
        """Keep only what is not stored yet."""
        if queue := self.queues.get(event.turn.conversation):
            queue.is_closed = True
            self._tidy(queue)

    def _tidy(self, queue: Queue) -> None:
        if queue.is_closed and not queue.changes:
            self.queues.pop(queue.turn.conversation, None)

    async def write(self, event: StoreDue) -> None:
        """Write what waits. Raises :class:`Unreachable` if the store refuses."""
        queue = event.queue
        was_paused = queue.is_paused
        queue.is_paused = queue.is_paused and not event.again
        try:
            while queue.changes:
                await self._write_oldest(event)
            queue.pause, queue.refusal = FIRST_PAUSE, None
        except Unreachable as error:
            queue.refusal = error
            self._pause(queue)
            if not (event.again and was_paused):
                raise self._refused(queue, error) from error
            log.warning("%d message(s) still wait for the store: %s", len(queue.changes), error)
        except anyio.get_cancelled_exc_class():
            log.error("aichat stopped before %d message(s) were stored", len(queue.changes))
            raise
        finally:
            queue.is_served = False
            queue.tried.notify_all()
            self._tidy(queue)

    def _pause(self, queue: Queue) -> None:
        """Try again after a while, unless that is arranged."""
        if queue.is_paused:
            return
        queue.is_paused = self.bus.post_later(StoreDue(queue.turn, queue, again=True), queue.pause)
        queue.pause = min(2 * queue.pause, LONGEST_PAUSE)
        if not queue.is_paused:
            log.error("aichat stops, and %d message(s) are not stored", len(queue.changes))

    def _refused(self, queue: Queue, error: Unreachable) -> Unreachable:
        lost, queue.given_up = queue.given_up, 0
        less = f" {lost} older one(s) found no room any more, and are lost." if lost else ""
        return Unreachable(
            f"{len(queue.changes)} message(s) could not be stored yet. {error.problem}{less}",
            f"{error.hint} They wait in memory, and are written when the store takes them.",
        )

    async def _write_oldest(self, event: StoreDue) -> None:
        """Write the oldest change, as it is when nobody else writes that message."""
        id = next(iter(event.queue.changes))
        async with self.parts.writes.alone(id):
            if change := event.queue.changes.get(id):
                await self._write(event, change)

    async def _write(self, event: StoreDue, change: Change) -> None:
        """Write one change; what can never be stored must not hold up the rest."""
        queue = event.queue
        try:
            if change.message is None:
                with suppress(NotFound):  # the user has deleted it
                    await self.parts.storage.delete_message(change.message_id)
            else:
                await self._keep(change.message)
            queue.is_gone = False
        except Unreachable:
            raise
        except NotFound as error:
            self._gone(event, error)
        except AichatError as error:
            self.bus.report(event, error)
        except Exception as error:
            change.tries += event.again
            if change.tries < TRIES:
                raise _unknown(error) from error
            self.bus.report(event, error)
        queue.drop(change)

    def _gone(self, event: StoreDue, error: NotFound) -> None:
        """The conversation was deleted, and so all that was said in it."""
        event.queue.changes.clear()
        if not event.queue.is_gone:
            event.queue.is_gone = True
            self.bus.report(event, error)

    async def _keep(self, message: Message) -> None:
        """Write a message; one whose character was deleted meanwhile keeps its name alone."""
        storage = self.parts.storage
        try:
            await storage.add_message(message)
        except NotFound:
            if message.character_id is None:
                raise
            await storage.add_message(evolve(message, character_id=None))


def _unknown(error: Exception) -> Unreachable:
    return Unreachable(
        f"The store failed ({type(error).__name__}).", "See the log, and the store's own."
    )
