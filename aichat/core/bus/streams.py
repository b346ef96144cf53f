"""Async streams: prompt closing, timeouts, and fairness to other tasks."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import anyio

from aichat.core.errors import BackendFailed, TimedOut

from .clock import Clock

T = TypeVar("T")

CLOSE_SECONDS = 2.0
"""Timeout for closing a stream."""


class Contained(AsyncIterator[T]):
    """A stream whose engine cannot cancel its reader: what it lets out is a failure of its own."""

    def __init__(self, stream: AsyncIterator[T]) -> None:
        self._stream = stream

    async def __anext__(self) -> T:
        try:
            return await anext(self._stream)
        except (anyio.get_cancelled_exc_class(), GeneratorExit, SystemExit) as error:
            if was_cancelled(error):
                raise
            raise BackendFailed(
                f"An engine ended its stream with {type(error).__name__}.",
                "Try again, or choose another.",
            ) from error


def was_cancelled(error: BaseException) -> bool:
    """Tell whether *error* cancels the running task; else it is somebody's who was called."""
    is_cancel = isinstance(error, anyio.get_cancelled_exc_class())
    return is_cancel and anyio.current_effective_deadline() == -math.inf


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close *stream* at the end of the block, so that a backend frees its GPU at once.

    The close is shielded: a cancelled reader still closes what it opened, within two seconds.
    Raises :class:`BackendFailed` for what is no stream.
    """
    if not hasattr(stream, "__aiter__"):
        if isinstance(stream, Coroutine):
            stream.close()
        raise BackendFailed(
            f"An engine gave {type(stream).__name__}, not an asynchronous stream.",
            "Write its method as an `async def` that yields.",
        )
    try:
        yield Contained(aiter(stream))
    finally:
        if close := getattr(stream, "aclose", None):
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await close()


YIELD_AFTER_SECONDS = 0.01
"""An item that took longer was awaited from its engine, so other tasks have run."""


TURNS_TO_SOUND = 3
"""Turns of the loop from a clause to its audio at the socket: speak it, ask the voice, send."""


class CooperativeYield:
    """Yields to the event loop between items of a fast stream; a slow one does so by itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._last = clock, -math.inf

    async def checkpoint(self) -> None:
        """Let other tasks run, unless the wait for the last item has done so."""
        if not YIELD_AFTER_SECONDS < self._clock.now() - self._last < math.inf:
            await anyio.lowlevel.checkpoint()
        self._last = self._clock.now()

    async def give_way(self) -> None:
        """Let the work that has just been published get as far as it can without waiting."""
        for _ in range(TURNS_TO_SOUND):
            await self.checkpoint()


class IdleTimeout:
    """A deadline that each item of a stream extends."""

    def __init__(self, clock: Clock, scope: anyio.CancelScope, seconds: float) -> None:
        self._clock, self._scope, self._seconds = clock, scope, seconds
        self._deadline = scope.deadline
        self.is_over = False
        """The reader waits no more: nothing of the stream may be published."""

    def renew(self) -> None:
        """Extend the deadline. Cheap: it is moved at most once a second."""
        now = self._clock.now()
        if not self._seconds - 1 < self._deadline - now < math.inf:
            self._move(now + self._seconds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block, in which the consumer is the slow one."""
        left = self._deadline - self._clock.now()
        self._move(math.inf)
        try:
            yield
        finally:
            self._move(self._clock.now() + left)

    def _move(self, deadline: float) -> None:
        self._deadline = self._scope.deadline = deadline


@contextmanager
def idle_timeout(clock: Clock, seconds: float, problem: str) -> Iterator[IdleTimeout]:
    """Raise :class:`TimedOut` when nothing comes for *seconds*, give or take one.

    The error states *problem* and the seconds.
    """
    with anyio.move_on_after(seconds) as scope:
        yield IdleTimeout(clock, scope, seconds)
    if scope.cancelled_caught:
        raise stalled(problem, seconds)


def stalled(problem: str, seconds: float) -> TimedOut:
    """Return the error of an engine from which nothing came for *seconds*."""
    return TimedOut(
        f"{problem} for {seconds:g} seconds.",
        "Try again, or choose another backend in plugins.toml.",
    )


async def next_within(stream: AsyncIterator[T], seconds: float, what: str) -> T | None:
    """Return the stream's next item, or None at its end.

    Raises :class:`TimedOut` when nothing came for *seconds*; *what* names the item in the error.
    """
    try:
        with anyio.fail_after(seconds):
            return await anext(stream, None)
    except TimeoutError as error:
        raise TimedOut(
            f"{what} did not come within {seconds:g} seconds.",
            "Try again, or choose another backend in plugins.toml.",
        ) from error
