"""Virtual time: an hour of ``anyio.sleep`` passes in milliseconds, in exact order.

``Clock`` reads the loop's time, so the whole of aichat follows. While one of anyio's worker threads
is at work, or nothing sleeps, the loop really waits and virtual time stands still. While a socket
or pipe is open, a peer may answer: then time passes as it really does. Asyncio only.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from random import Random
from typing import Any, TypeVar, TypeVarTuple

import anyio

from aichat.core.ids import ids_made_of

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


BUSY = 20
"""Rounds of the loop after which sockets and pipes are polled, if no time has to pass before."""


class VirtualSelector(selectors.DefaultSelector):
    """Moves the clock on where a real selector would sleep until the next timer."""

    now = 0.0
    """Seconds since the loop was made."""
    threads: anyio.CapacityLimiter | None = None
    """Counts the worker threads that are at work."""

    passed_over = 0
    """Rounds since sockets and pipes were last polled."""

    outside = -1
    """Open sockets and pipes, except the one by which threads wake the loop."""

    @property
    def is_alone(self) -> bool:
        """Whether nothing can wake the loop: no socket, no pipe, no thread."""
        return self.outside <= 0 and threading.active_count() == 1

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a socket or a pipe."""
        self.outside += 1
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop watching a socket or a pipe."""
        self.outside -= 1
        return super().unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, *timeout* seconds have passed at once."""
        if timeout == 0 and self.passed_over < BUSY:  # there is work, and system calls are dear
            self.passed_over += 1
            return []
        self.passed_over = 0
        if timeout is not None and self.is_alone:
            self.now += max(timeout, 0.0)  # nothing could have woken us
            return []
        if ready := super().select(0):
            return ready
        if timeout is None or (timeout > 0 and self.threads and self.threads.borrowed_tokens):
            return super().select(None)  # a worker thread or a socket wakes us
        return self._pass(max(timeout, 0.0))

    def _pass(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass: really, while a peer may answer; at once otherwise."""
        began = time.monotonic()
        ready = super().select(seconds) if self.outside > 0 else []
        self.now += min(time.monotonic() - began, seconds) if ready else seconds
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool
    _debug: bool
    _timer_cancelled_count: int
    _clock_resolution: float

    def __init__(self) -> None:
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)

    def time(self) -> float:
        """Return virtual seconds; they begin at 0."""
        return self.virtual.now

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer, without the checks that asyncio makes each time."""
        if self.virtual.threads is None:
            self._watch_threads()
        when = self.virtual.now + delay
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # its cancelling is counted
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer, as asyncio does."""
        if self.virtual.threads is None:
            self._watch_threads()
        return super().call_at(when, callback, *args, context=context)

    def _watch_threads(self) -> None:
        """Watch worker threads from a task's first timer on."""
        if asyncio.current_task(self):
            self.virtual.threads = anyio.to_thread.current_default_thread_limiter()

    def _run_once(self) -> None:
        """Run what is ready, as asyncio does, at less cost.

        Most rounds have one due timer and no sockets. Everything else is left to asyncio.
        """
        ready, timers, selector = self._ready, self._scheduled, self.virtual
        while timers and timers[0]._cancelled:
            self._take_timer()
        if ready:
            if selector.passed_over >= BUSY or self._debug:
                return super()._run_once()  # type: ignore[misc, no-any-return]
            selector.passed_over += 1
        elif not timers or self._stopping or self._debug or not selector.is_alone:
            return super()._run_once()  # type: ignore[misc, no-any-return]
        else:
            selector.passed_over, selector.now = 0, max(selector.now, timers[0].when())
        end = selector.now + self._clock_resolution
        while timers and timers[0].when() < end:
            if not (timer := self._take_timer())._cancelled:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        return None

    def _take_timer(self) -> asyncio.TimerHandle:
        timer = heapq.heappop(self._scheduled)
        timer._scheduled = False  # type: ignore[attr-defined]
        self._timer_cancelled_count -= timer._cancelled
        return timer


def run_virtual(program: Callable[[*Ts], Awaitable[T]], *args: *Ts, seed: int | None = None) -> T:
    """Run an anyio program on virtual time. With a *seed*, the ids it makes are the same again."""
    loops: list[VirtualTimeLoop] = []

    def new_loop() -> VirtualTimeLoop:
        loops.append(VirtualTimeLoop())
        return loops[-1]

    async def main() -> T:
        loop = loops[-1]
        if seed is None:
            return await program(*args)
        with ids_made_of(lambda: int(loop.time() * 1e9), Random(seed).randbytes):  # noqa: S311
            return await program(*args)

    return anyio.run(main, backend="asyncio", backend_options={"loop_factory": new_loop})
