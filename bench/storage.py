"""Appends and pages of the SQLite store, beside plain ``sqlite3`` in worker threads.

    python bench/storage.py [--seconds 1] [--messages 100000]

Sixteen writers append to sixteen conversations. Beside messages a second and the time to the
acknowledgement it tells how much of its own time the event loop's thread spends on one append: what
is spent there is stolen from the audio. The rivals write the same rows (the same tables, a
transaction of insert and update, WAL, synchronous=FULL), without the checks of the contract, in the
way of a good web application: ``anyio.to_thread`` with one connection behind a lock, and with a
connection for each thread. "bare" is without the search index, which the others keep up to date.

The contenders take turns, and each is compared with ours of the same round; the medians count, so
that a noisy neighbour does not.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from attrs import define, frozen

from aichat.core import Conversation, Message, new_id
from aichat.plugins.sqlite.records import MESSAGES
from aichat.plugins.sqlite.store import Sqlite

WRITERS = 16
ROUNDS = 9
TEXT = "Well, I would say that it depends on the weather, and on who is asking. " * 2

Append = Callable[[Message], Awaitable[None]]
Opened = AbstractAsyncContextManager[Append]


@frozen
class Run:
    """One contender, once."""

    per_second: float
    p50_ms: float
    loop_ms: float
    """CPU time of the event loop's thread for one append."""


async def measure(append: Append, conversations: list[str], seconds: float) -> Run:
    """Let sixteen writers append for a while."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    async def write(conversation: str) -> None:
        while (before := time.perf_counter()) < end:
            await append(Message(new_id(), conversation, "user", TEXT))
            waits.append(time.perf_counter() - before)

    began, cpu = time.perf_counter(), time.thread_time()
    async with anyio.create_task_group() as tasks:
        for conversation in conversations:
            tasks.start_soon(write, conversation)
    cpu, took = time.thread_time() - cpu, time.perf_counter() - began
    return Run(len(waits) / took, 1e3 * statistics.median(waits), 1e3 * cpu / len(waits))


# -- the contenders ----------------------------------------------------------------------------


@asynccontextmanager
async def ours(file: Path) -> AsyncIterator[Append]:
    """The store as it is: the contract's checks, the search index, the writer thread."""
    async with Sqlite(str(file)) as store:
        yield store.add_message


def connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for pragma in ("busy_timeout = 30000", "journal_mode = wal", "synchronous = full"):
        connection.execute(f"pragma {pragma}")
    return connection


def plain_append(connection: sqlite3.Connection, message: Message) -> None:
    """What the rivals do for a message: the rows alone, without any check of ours."""
    connection.execute("begin immediate")
    MESSAGES.put(connection, message)
    connection.execute(
        "update conversations set updated_at = ? where conversation_id = ?",
        (datetime.now(UTC).isoformat(timespec="microseconds"), message.conversation_id),
    )
    connection.execute("commit")


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[Append]:
    """One connection, and a lock."""
    connection, lock = connect(file), threading.Lock()

    def work(message: Message) -> None:
        with lock:
            plain_append(connection, message)

    async def append(message: Message) -> None:
        await anyio.to_thread.run_sync(work, message)

    yield append
    connection.close()


@asynccontextmanager
async def threads(file: Path) -> AsyncIterator[Append]:
    """A connection for each worker thread."""
    here, opened = threading.local(), []

    def work(message: Message) -> None:
        if not hasattr(here, "connection"):
            here.connection = connect(file)
            opened.append(here.connection)
        plain_append(here.connection, message)

    async def append(message: Message) -> None:
        await anyio.to_thread.run_sync(work, message)

    yield append
    for connection in opened:
        connection.close()


OURS = "aichat sqlite"
CONTENDERS: dict[str, Callable[[Path], Opened]] = {
    OURS: ours,
    "sqlite3 in threads, one connection": locked,
    "sqlite3 in threads, one each": threads,
    "bare, one connection": locked,
    "bare, one each": threads,
}


# -- appends -----------------------------------------------------------------------------------


async def prepared(file: Path, *, bare: bool) -> list[str]:
    """Make the tables and sixteen conversations; without the search index if *bare*."""
    conversations = [new_id() for _ in range(WRITERS)]
    async with Sqlite(str(file)) as store:
        for id in conversations:
            await store.add_conversation(Conversation(id, "T"))
        if bare:
            for trigger in ("said", "unsaid", "corrected"):
                await store.writer.do(lambda c, t=trigger: c.execute(f"drop trigger messages_{t}"))
    return conversations


async def appends(folder: Path, seconds: float) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for round in range(ROUNDS):
        for number, (name, make) in enumerate(CONTENDERS.items()):
            file = folder / f"{round}-{number}" / "aichat.db"
            conversations = await prepared(file, bare=name.startswith("bare"))
            async with make(file) as append:
                runs[name].append(await measure(append, conversations, seconds))
            shutil.rmtree(file.parent)
    return runs


def show_appends(runs: dict[str, list[Run]]) -> None:
    print(f"{'':36} appends/s   p50 ms   loop ms")
    for name, some in runs.items():
        keys = ("per_second", "p50_ms", "loop_ms")
        rate, p50, loop = (statistics.median(getattr(run, key) for run in some) for key in keys)
        print(f"{name:36} {rate:9.0f} {p50:8.2f} {loop:9.3f}")
    for name in list(runs)[1:]:
        rate, loop = ratio(runs, name, "per_second"), ratio(runs, name, "loop_ms")
        print(f"aichat beside {name}: {rate:.1f} x its rate, {loop:.2f} x its loop time")


def ratio(runs: dict[str, list[Run]], name: str, key: str) -> float:
    """Compare round by round; return the median."""
    pairs = zip(runs[OURS], runs[name], strict=True)
    return statistics.median(getattr(mine, key) / getattr(its, key) for mine, its in pairs)


# -- pages -------------------------------------------------------------------------------------


@define
class Page:
    name: str
    read: Callable[[], Awaitable[Any]]
    ms: list[float]


async def pages(folder: Path, messages: int) -> None:
    """Read the last ten of a long conversation, and of one that has only ten."""
    async with Sqlite(str(folder / "pages.db")) as store:
        long, short, empty = new_id(), new_id(), new_id()
        for id, count in ((empty, 0), (short, 10), (long, messages)):
            await store.add_conversation(Conversation(id))
            for start in range(0, count, 1000):
                some = range(start, min(start + 1000, count))
                await store.add_messages(
                    [Message(new_id(), id, "user", f"{TEXT} {n}") for n in some]
                )
        middle = (await store.messages(long, 1, messages // 2))[0].message_id
        reads = [
            Page(
                "recent 10 of an empty conversation", lambda: store.recent_messages(empty, 10), []
            ),
            Page("recent 10 of 10", lambda: store.recent_messages(short, 10), []),
            Page(f"recent 10 of {messages}", lambda: store.recent_messages(long, 10), []),
            Page("10 before the middle", lambda: store.recent_messages(long, 10, middle), []),
            Page("10 after the middle", lambda: store.messages(long, 10, 0, middle), []),
            Page("recent 50", lambda: store.recent_messages(long, 50), []),
            Page("search of a rare word", lambda: store.search_messages("777 weather", 10), []),
            Page("search of a word in all", lambda: store.search_messages("weather", 10), []),
        ]
        for _ in range(300):
            for page in reads:
                before = time.perf_counter()
                await page.read()
                page.ms.append(1e3 * (time.perf_counter() - before))
    first = statistics.median(reads[0].ms)
    for page in reads:
        ms = statistics.median(page.ms)
        print(f"{page.name:36} p50 {ms:7.3f} ms   {ms / first:5.1f} x empty")


async def main(seconds: float, messages: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"python {platform.python_version()}, sqlite {sqlite3.sqlite_version}")
        show_appends(await appends(folder, seconds))
        await pages(folder, messages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--messages", type=int, default=100_000)
    given = parser.parse_args()
    anyio.run(main, given.seconds, given.messages)
