"""Async streams of blocking work in worker threads: a model's tokens, a voice's audio.

    async with Workers(3) as workers:
        async with closing(workers.stream(work)) as pieces:
            async for piece in pieces:
                ...

    def work(listener):                # in a thread
        for piece in model:            # in small steps
            listener(piece)            # waits while the buffer is full

When the reader closes the stream, the next call of the listener raises :class:`ReaderLeft`; work
that takes long between two calls checks ``listener.left`` in each step.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
from anyio import from_thread, to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aichat.core.bus.streams import closing
from aichat.core.errors import NotReady

T = TypeVar("T")
R = TypeVar("R")


class ReaderLeft(Exception):  # a fact, not a failure
    """The reader has closed the stream: the work should end."""


class Listener(Generic[T]):
    """Passes items from a worker thread to the reader of a stream; called in the thread."""

    def __init__(self, ahead: int) -> None:
        self._send: MemoryObjectSendStream[T]
        self._receive: MemoryObjectReceiveStream[T]
        self._send, self._receive = anyio.create_memory_object_stream(ahead)
        self.left = False
        """The reader has closed the stream; true within a turn of the loop after that."""
        self._failure: Exception | None = None

    def __call__(self, item: T) -> None:
        """Send *item*, and wait while the buffer is full. Raises :class:`ReaderLeft`."""
        if self.left:
            raise ReaderLeft
        try:
            from_thread.run(self._send.send, item)
        except anyio.BrokenResourceError:
            raise ReaderLeft from None

    @property
    def waiting(self) -> int:
        """Items in the buffer."""
        return self._receive.statistics().current_buffer_used

    def _leave(self, failure: Exception | None = None) -> None:
        self.left = True
        self._failure = self._failure or failure
        self._receive.close()


class Workers:
    """Worker threads of a backend, *count* at once; other calls queue. *name* is for errors."""

    def __init__(self, count: int, name: str) -> None:
        self.name = name
        self._count = count
        self.listeners: set[Listener[Any]] = set()
        """Listeners whose work is not over, even if the reader has left."""
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Workers:
        self._slots = anyio.CapacityLimiter(self._count)
        self._threads = anyio.CapacityLimiter(math.inf)  # the slots bound them
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all streams, with :class:`NotReady`, and wait until their threads have ended."""
        tasks, self._tasks = self._tasks, None
        for listener in list(self.listeners):
            listener._leave(self._not_running())
        if tasks is not None:
            await tasks.__aexit__(None, None, None)

    @property
    def count(self) -> int:
        """Most threads at once."""
        return self._count

    def limit(self, count: int) -> None:
        """Change the count; running work is not affected. Call it on the event loop."""
        self._count = count
        self._slots.total_tokens = count

    async def stream(
        self, work: Callable[[Listener[T]], None], ahead: int = 8
    ) -> AsyncGenerator[T, None]:
        """Run *work* in a thread and yield its items; up to *ahead* items are buffered.

        Its exceptions are raised here. A slot is free again when the thread has ended, which may
        be a little after the stream was closed.
        """
        if self._tasks is None:
            raise self._not_running()
        slot = object()
        await self._slots.acquire_on_behalf_of(slot)
        listener = self._begin(work, slot, ahead)
        try:
            with suppress(anyio.ClosedResourceError):  # closed when the backend ends
                async for item in listener._receive:
                    yield item
        finally:
            listener._leave()
        if listener._failure is not None:
            raise listener._failure

    async def run(self, work: Callable[[Callable[[], bool]], R]) -> R:
        """Run *work* in a free thread, and return its result.

        Its argument is a function that returns whether the caller has been cancelled.
        """

        def once(listener: Listener[R]) -> None:
            listener(work(lambda: listener.left))

        async with closing(self.stream(once)) as results:
            return await anext(results)

    def _begin(self, work: Callable[[Listener[T]], None], slot: object, ahead: int) -> Listener[T]:
        if self._tasks is None:  # it ended while we waited
            self._slots.release_on_behalf_of(slot)
            raise self._not_running()
        listener = Listener[T](ahead)
        self.listeners.add(listener)
        self._tasks.start_soon(self._work, work, listener, slot)
        return listener

    async def _work(
        self, work: Callable[[Listener[T]], None], listener: Listener[T], slot: object
    ) -> None:
        """Run the thread. This outlives the reader: the slot is free when the thread has ended."""
        try:
            with listener._send:
                await to_thread.run_sync(work, listener, limiter=self._threads)
        except ReaderLeft:
            pass  # which is how a stream ends early
        except Exception as error:
            listener._failure = listener._failure or error  # raised where the stream is read
        finally:
            self.listeners.discard(listener)
            self._slots.release_on_behalf_of(slot)

    def _not_running(self) -> NotReady:
        return NotReady(f"{self.name} is not running.", "Start it first.")
