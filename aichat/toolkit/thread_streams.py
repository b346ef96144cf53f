"""Streams that blocking work makes in worker threads: the tokens of a model, the audio of a voice.

    async with Workers(3) as workers:
        async with closing(workers.stream(work)) as pieces:
            async for piece in pieces:
                ...

    def work(listener):                # in a thread
        for piece in model:            # in small steps
            listener(piece)            # waits while the reader has enough

When the reader closes the stream, the next hand-over raises :class:`Left`; work that takes long
between two of them looks at ``listener.left`` in each step.
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


class Left(Exception):  # a fact, not a failure
    """Nobody listens any more: end the work."""


class Listener(Generic[T]):
    """Who waits for what a thread makes; called there."""

    def __init__(self, ahead: int) -> None:
        self._send: MemoryObjectSendStream[T]
        self._receive: MemoryObjectReceiveStream[T]
        self._send, self._receive = anyio.create_memory_object_stream(ahead)
        self.left = False
        """Nobody listens any more; true within a turn of the loop after the stream was closed."""
        self._failure: Exception | None = None

    def __call__(self, item: T) -> None:
        """Hand *item* over, and wait while many wait. Raises :class:`Left`."""
        if self.left:
            raise Left
        try:
            from_thread.run(self._send.send, item)
        except anyio.BrokenResourceError:
            raise Left from None

    @property
    def waiting(self) -> int:
        """How many items wait for the reader."""
        return self._receive.statistics().current_buffer_used

    def _leave(self, failure: Exception | None = None) -> None:
        self.left = True
        self._failure = self._failure or failure
        self._receive.close()


class Workers:
    """Threads for a backend's work, *count* at once; others wait their turn. *name* is told."""

    def __init__(self, count: int, name: str) -> None:
        self.name = name
        self._count = count
        self.listeners: set[Listener[Any]] = set()
        """Those whose work is not over, whether or not they listen."""
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
        """How much work goes on at once."""
        return self._count

    def limit(self, count: int) -> None:
        """Change the count; what goes on already is not touched. Call it on the event loop."""
        self._count = count
        self._slots.total_tokens = count

    async def stream(
        self, work: Callable[[Listener[T]], None], ahead: int = 8
    ) -> AsyncGenerator[T, None]:
        """Run *work* in a thread and yield what it hands over; *ahead* items may wait.

        What it raises is raised here. A slot is free again when the thread has ended, which may be
        a little after the stream was closed.
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
        """Run *work* in a thread that is free, and return what it returns.

        It is given a function that tells whether nobody waits for that any more.
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
        """Outlives the reader: there is room for the next only when the thread has ended."""
        try:
            with listener._send:
                await to_thread.run_sync(work, listener, limiter=self._threads)
        except Left:
            pass  # which is how a stream ends early
        except Exception as error:
            listener._failure = listener._failure or error  # raised where the stream is read
        finally:
            self.listeners.discard(listener)
            self._slots.release_on_behalf_of(slot)

    def _not_running(self) -> NotReady:
        return NotReady(f"{self.name} is not running.", "Start it first.")
