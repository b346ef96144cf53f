"""Calls of engines, each within a timeout that it may not heed.

An engine is somebody else's code. It may be stuck where no cancellation reaches it (in a shield),
or catch every cancellation and go on. So a call runs in a task of its own: when it has to end and
does not, it is left behind in the bus's task group and counted until it ends; nobody waits for it.

A call that has to end is cancelled at each of its waits, for some turns of the loop; then it is let
go on for a while before the next try, and longer each time. Otherwise one that catches every
cancellation would be cancelled again at once, for ever, and keep the loop busy.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
from attrs import Factory, define

from aichat.core.errors import TimedOut

from .clock import Clock
from .lane import Lane, current_lane
from .light_event import LightEvent, light_event
from .streams import IdleTimeout, was_cancelled
from .task_pool import TaskPool

log = logging.getLogger(__name__)

R = TypeVar("R")

HEED_SECONDS = 2.5
"""Seconds within which a cancelled call ends, or is left behind: streams are closed within two."""
TURNS = 20
"""Turns of the loop for which a call is cancelled at each of its waits."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds for which it is let go on then; the pause doubles each time."""


@define(eq=False)
class EngineCall(Generic[R]):
    """One call. *lane* is that of the handler for which it publishes."""

    engine: Any
    work: Callable[[IdleTimeout], Awaitable[R]]
    timeout: IdleTimeout
    lane: Lane | None
    scope: anyio.CancelScope = Factory(anyio.CancelScope)
    pause: anyio.CancelScope = Factory(anyio.CancelScope)
    """Shielded from *scope* while the call is let go on."""
    done: LightEvent | anyio.Event = Factory(light_event)
    results: list[R] = Factory(list)
    """What it returned, if it did."""
    failure: Exception | None = None
    is_stuck: bool = False
    """It was left behind."""

    async def run(self) -> None:
        """Do the work, and note what comes of it."""
        current_lane.set(self.lane)
        try:
            with self.scope, self.pause:
                self.results.append(await self.work(self.timeout))
        except Exception as error:
            self.failure = error
        except (anyio.get_cancelled_exc_class(), GeneratorExit, SystemExit) as stray:
            if was_cancelled(stray):
                raise
            self.failure = RuntimeError(f"stray {type(stray).__name__}")
        finally:
            self.done.set()

    async def cancel(self) -> None:
        """Cancel it at each of its waits, until it ends or some turns of the loop have passed."""
        self.pause.shield = False
        self.scope.cancel()
        for _ in range(TURNS):
            if not self.done.is_set():
                await anyio.lowlevel.checkpoint()
        self.pause.shield = True


class EngineCalls:
    """Runs calls of engines in the tasks of *pool*, and counts those that were left behind."""

    def __init__(self, pool: TaskPool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self.stuck: list[Any] = []
        """The engines of the calls that were left behind and still run, one for each call."""

    def by_engine(self) -> Counter[str]:
        """Return how many calls are stuck, by the class of their engine."""
        return Counter(type(engine).__name__ for engine in self.stuck)

    async def run(
        self,
        engine: Any,
        seconds: float,
        late: Callable[[], TimedOut],
        work: Callable[[IdleTimeout], Awaitable[R]],
    ) -> R:
        """Await *work*, which asks *engine* and renews its timeout of *seconds*.

        Raises what *late* makes when that is over, and what *work* raises. When *work* finds that
        its timeout is over it must publish nothing more.
        """
        with anyio.move_on_after(seconds) as scope:
            timeout = IdleTimeout(self._clock, scope, seconds)
            call = EngineCall(engine, work, timeout, current_lane.get())
            self._pool.start(call.run)
            try:
                await call.done.wait()
            finally:
                if not call.done.is_set():
                    await self._end(call)
        if call.failure:
            raise call.failure
        if timeout.is_over:
            raise late()
        return call.results[0]

    async def _end(self, call: EngineCall[Any]) -> None:
        """Wait until a cancelled call ends, or leave it behind."""
        call.timeout.is_over = True
        with anyio.move_on_after(HEED_SECONDS, shield=True):
            await call.cancel()
            if not call.done.is_set():
                self._pool.start(partial(self._insist, call))
                await call.done.wait()
        if not call.done.is_set():
            log.error("%s does not stop: a call of it is left behind", type(call.engine).__name__)
            call.is_stuck = True
            self.stuck.append(call.engine)

    async def _insist(self, call: EngineCall[Any]) -> None:
        """Cancel a call again and again until it ends, with pauses that grow."""
        current_lane.set(None)
        with anyio.CancelScope(shield=True):
            pause = FIRST_PAUSE
            while not call.done.is_set():
                with anyio.move_on_after(pause):
                    await call.done.wait()
                    break
                await call.cancel()
                pause = min(2 * pause, LONGEST_PAUSE)
        if call.is_stuck:
            at = next(n for n, engine in enumerate(self.stuck) if engine is call.engine)
            del self.stuck[at]  # not by `remove`: engines may compare as they like
