"""Threads that own a connection each, and do jobs on it for the event loop.

The writer gathers the jobs that wait into one transaction (group commit): one fsync pays for up to
256 of them, and a job is acknowledged only after it. Where a job fails, the others are done again
without it; so a job may be done twice, though its work on the database counts once.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import Factory, define

from aichat.core import Unreachable

from .errors import readable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

BATCH = 256
WAITING = 10_000
"""Most jobs that wait for a thread; more are refused."""


@define(eq=False)
class Job(Generic[T]):
    """One piece of work and what came of it. *done* belongs to the event loop."""

    work: Work[T]
    done: anyio.Event = Factory(anyio.Event)
    result: T | None = None
    error: Exception | None = None


Perform = Callable[[sqlite3.Connection, Sequence[Job[Any]]], None]


class Worker:
    """One thread and its connection. Make it on the event loop that will use it."""

    def __init__(self, name: str, connection: sqlite3.Connection, perform: Perform) -> None:
        self._connection, self._perform = connection, perform
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._stopping = False
        self._soon = _soon()
        self._thread = threading.Thread(target=self._run, name=f"sqlite-{name}", daemon=True)
        self._thread.start()

    async def do(self, work: Work[T]) -> T:
        """Run *work* in the thread. A cancelled wait leaves the work to be done all the same."""
        job = Job(work)
        self._hand_over(job)
        await job.done.wait()
        if job.error:
            raise job.error
        return cast(T, job.result)

    async def stop(self) -> None:
        """Finish what was asked for, end the thread and close the connection."""
        self._stopping = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._join)

    def _hand_over(self, job: Job[Any]) -> None:
        if self._stopping:
            raise Unreachable("The database is closed.", "Start aichat again.")
        if self._jobs.qsize() >= WAITING:  # exact: only the event loop adds to them
            raise Unreachable(
                f"{WAITING} requests wait for the database.", "Wait a moment, then try again."
            )
        self._jobs.put(job)

    def _join(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            try:
                self._perform(self._connection, jobs)
            except Exception as error:
                for job in jobs:
                    job.error = readable(error)
            self._soon(partial(_finish, jobs))
        self._connection.close()

    def _take(self) -> list[Job[Any]]:
        """Wait for a job; take those behind it as well. Empty at the end."""
        job = self._jobs.get()
        jobs: list[Job[Any]] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == BATCH or self._jobs.empty():
                return jobs
            job = self._jobs.get_nowait()
        if jobs:
            self._jobs.put(None)  # the end comes again, after these
        return jobs


def _finish(jobs: Sequence[Job[Any]]) -> None:
    for job in jobs:
        job.done.set()


def read(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do each job by itself; all see the same state of the database."""
    connection.execute("begin")
    for job in jobs:
        try:
            job.result = job.work(connection)
        except Exception as error:
            job.error = readable(error)
    connection.rollback()


def write(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do all jobs in one transaction; each in its own where that fails, as on a full disk."""
    for work in (_plainly, _one_without_the_other):
        try:
            _in_transaction(connection, work, jobs)
            return
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].error = readable(error)
                return
    for job in jobs:
        write(connection, [job])


def _in_transaction(
    connection: sqlite3.Connection,
    work: Callable[[sqlite3.Connection, Sequence[Job[Any]]], None],
    jobs: Sequence[Job[Any]],
) -> None:
    connection.rollback()  # of what a failed rollback left
    connection.execute("begin immediate")
    try:
        work(connection, jobs)
        connection.execute("commit")
    except BaseException:
        connection.rollback()
        raise


def _plainly(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do them; one that fails takes all back."""
    for job in jobs:
        job.result, job.error = job.work(connection), None


def _one_without_the_other(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do those that can be done. The savepoints cost a third more."""
    for job in jobs:
        connection.execute("savepoint job")
        try:
            job.result, job.error = job.work(connection), None
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite gave up the whole transaction
            job.error = readable(error)
            connection.execute("rollback to job")
        connection.execute("release job")


def _soon() -> Callable[[Callable[[], object]], None]:
    """Return the running loop's own way to be called from a thread, without waiting for it."""
    token: Any = anyio.lowlevel.current_token()
    loop = getattr(token, "native_token", token)  # asyncio's loop, or trio's token
    soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def call(function: Callable[[], object]) -> None:
        soon(function)

    return call
