"""Tasks: a group that raises a single error as itself, and a pool of tasks that are reused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from attrs import Factory, define

from .light_event import LightEvent, light_event

Work = Callable[[], Awaitable[None]]

IDLE_TASKS = 16
"""Most idle tasks that are kept."""


@asynccontextmanager
async def plain_task_group() -> AsyncIterator[TaskGroup]:
    """Open a task group that raises a single error as itself, not in a group of one."""
    alone: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        alone = group.exceptions[0]
    if alone:
        raise alone


@define(eq=False)
class IdleTask:
    """A task that waits for work."""

    work: Work | None = None
    wanted: LightEvent | anyio.Event = Factory(light_event)


class TaskPool:
    """Runs each piece of work in a task of its own, started in order.

    Starting a task costs several times what a handler's own work does; so one that has finished
    waits for the next piece.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._idle: list[IdleTask] = []

    def start(self, work: Work) -> None:
        """Run *work* in a task."""
        if self._idle:
            task = self._idle.pop()
            task.work = work
            task.wanted.set()
        else:
            self._tasks.start_soon(self._serve, work)

    async def _serve(self, work: Work) -> None:
        while True:
            await work()
            if len(self._idle) >= IDLE_TASKS:
                return
            task = IdleTask()
            self._idle.append(task)
            try:
                await task.wanted.wait()
            except anyio.get_cancelled_exc_class():
                if task.work:
                    await task.work()  # it is cancelled as well, and can clean up
                raise
            assert task.work  # noqa: S101  (start has set it)
            work = task.work
