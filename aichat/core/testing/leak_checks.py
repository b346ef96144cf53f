"""Measurements of contract tests: event loop stalls, slow closing, leaked threads and tasks."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt
from attrs import frozen

from aichat.core.backends import Tts, WordMark
from aichat.core.bus.streams import closing
from aichat.core.models import Voice

WORK_SECONDS = 0.01
"""Most processor time that the loop's thread may compute before other tasks run. It is the thread's
own time, so that a busy machine does not count."""
STALL_SECONDS = 0.05
"""Longest stall of the loop, for any reason: a call that blocks, a lock that is held. Where the
system measures it (Linux), time in which other programs had the processor does not count."""
SWITCH_SECONDS = 0.001
"""Thread switch interval of the interpreter, as ``litestar run`` sets it."""
PROMPT_SECONDS = 0.5
"""Longest time for cancelling or closing. Where the system measures it (Linux), time in which our
threads could have run, and other programs had the processor, does not count."""
SETTLE_SECONDS = 30.0
ATTEMPTS = 8
"""A busy machine can stop any program for 50 ms; a blocking call does so every time."""


@frozen
class Stall:
    """The longest times between two turns of a watcher, in seconds."""

    work: float
    """Processor time of the loop's thread."""
    wall: float
    """Wall time in all."""
    blocked: float
    """Wall time, less the time in which any of our threads could have run but had no processor: it
    may hold a lock that the loop waits for."""


async def longest_stall(work: Callable[[], Awaitable[object]]) -> Stall:
    """Return the longest stall of the event loop during *work*."""
    longest = [0.0, 0.0, 0.0]
    watching = anyio.Event()

    async def watch() -> None:
        watching.set()
        while True:
            stopwatch, worked = _Stopwatch(), thread_time()
            await anyio.sleep(0.002)
            computed = thread_time() - worked
            seen = (computed, stopwatch.wall() - 0.002, stopwatch.read() - 0.002)
            longest[:] = map(max, longest, seen)

    with _as_served():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await watching.wait()
            await work()
            await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    return Stall(*longest)


@contextmanager
def _as_served() -> Iterator[None]:
    """Switch threads as ``litestar run`` does, and leave out what is not *work*'s own.

    How long the garbage collector takes depends on what else the program holds.
    """
    switch, collects = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(switch)
        if collects:
            gc.enable()


def queued(task: str = "thread-self") -> float:
    """Return the seconds that a thread has waited for a processor; 0 where that is unknown."""
    try:
        return int(Path(f"/proc/{task}/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class _Stopwatch:
    """Seconds since it was made, less those for which any of our threads waited for a processor."""

    def __init__(self) -> None:
        self._before, self._began = self._waits(), perf_counter()

    def wall(self) -> float:
        return perf_counter() - self._began

    def read(self) -> float:
        wall, waits = self.wall(), self._waits()
        return wall - sum(waits[task] - self._before.get(task, 0.0) for task in waits)

    def _waits(self) -> dict[str, float]:
        try:
            threads = os.listdir("/proc/self/task")
        except OSError:
            return {}
        return {thread: queued(f"self/task/{thread}") for thread in threads}


async def assert_no_stall(work: Callable[[], Awaitable[object]]) -> None:
    """Fail when *work* blocks the event loop, each time it is tried."""
    stalls = []
    for _ in range(ATTEMPTS):
        stalls.append(await longest_stall(work))
        if stalls[-1].work < WORK_SECONDS and stalls[-1].blocked < STALL_SECONDS:
            return
    computing = min(stall.work for stall in stalls)
    waiting = min(stall.blocked for stall in stalls)
    raise AssertionError(
        f"others waited for the event loop for {waiting:.3f} s or longer, "
        f"of which it computed {computing:.3f} s"
    )


async def assert_prompt(work: Callable[[], Awaitable[object]]) -> None:
    """Fail when *work* takes long, each time it is tried."""
    times = []
    for _ in range(ATTEMPTS):
        watch = _Stopwatch()
        await work()
        times.append(watch.read())
        if times[-1] < PROMPT_SECONDS:
            return
    raise AssertionError(f"it took {min(times):.3f} s or longer")


async def assert_prompt_close(begin: Callable[[], Awaitable[AsyncIterator[object]]]) -> None:
    """Fail when the stream that *begin* has opened takes long to close, each time it is tried."""
    times = []
    for _ in range(ATTEMPTS):
        stream = await begin()
        watch = _Stopwatch()
        async with closing(stream):
            pass
        times.append(watch.read())
        if times[-1] < PROMPT_SECONDS:
            return
    raise AssertionError(f"it took {min(times):.3f} s or longer to close")


async def assert_threads_settle(before: int) -> None:
    """Fail when there are more threads than *before*. Threads that wait to be used again count."""
    with anyio.move_on_after(SETTLE_SECONDS):
        while threading.active_count() > before:
            await anyio.sleep(0.01)
    assert threading.active_count() <= before, [thread.name for thread in threading.enumerate()]


async def assert_tasks_settle(before: int) -> None:
    """Fail when more tasks run than *before*."""
    with anyio.move_on_after(SETTLE_SECONDS):
        while count_tasks() > before:
            await anyio.sleep(0.01)
    assert count_tasks() <= before, [task.name for task in anyio.get_running_tasks()]


def count_tasks() -> int:
    """Return how many tasks the event loop has."""
    return len(anyio.get_running_tasks())


async def assert_it_leaves_nothing(work: Callable[[], Awaitable[object]]) -> None:
    """Fail when *work*, done again and again, leaves threads or tasks behind."""
    await work()  # threads that are kept for the next call are made now
    await anyio.sleep(0.1)
    threads, tasks = threading.active_count(), count_tasks()
    for _ in range(3):  # a thread that is left behind each time is more than the one allowed
        await work()
    await assert_threads_settle(threads + 1)
    await assert_tasks_settle(tasks)


async def at_once(count: int, work: Callable[[int], Coroutine[Any, Any, object]]) -> None:
    """Run *work* *count* times concurrently; each run gets its number."""
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(work, number)


async def cut_off(work: Callable[[], Awaitable[object]], seconds: float = 0.01) -> None:
    """Cancel *work* after a little while."""
    with anyio.move_on_after(seconds):
        await work()


@frozen
class Said:
    """The speech of one text: audio and word marks."""

    pcm: bytes
    marks: list[WordMark]


async def say(tts: Tts, text: str, voice: Voice) -> Said:
    """Return the speech of *text*."""
    marks, pcm = list[WordMark](), bytearray()
    async with closing(tts.speak(text, voice)) as stream:
        async for piece in stream:
            if isinstance(piece, WordMark):
                marks.append(piece)
            else:
                assert len(piece) % 2 == 0, "a chunk ends within a sample"
                pcm += piece
    return Said(bytes(pcm), marks)


async def first_audio(stream: AsyncIterator[bytes | WordMark]) -> bytes:
    """Read *stream* up to its first audio."""
    async for piece in stream:
        if isinstance(piece, bytes) and piece:
            return piece
    raise AssertionError("the voice said nothing")


def sound_alike(one: bytes, other: bytes) -> bool:
    """Return whether two pieces of PCM16 are takes of the same voice and words.

    Their lengths differ by at most 1 %, and their mean spectra, in 40 bands, by 0.05 (log10 of
    power) on average: engines that add a little noise of their own differ by 0.01, voices by 0.2.
    """
    if abs(len(one) - len(other)) > 0.01 * max(len(one), len(other)):
        return False
    return bool(np.abs(_spectrum(one) - _spectrum(other)).mean() < 0.05)


def _spectrum(pcm: bytes) -> npt.NDArray[np.float64]:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = (np.abs(np.fft.rfft(blocks)) ** 2).mean(axis=0)
    bands = np.array([band.mean() for band in np.array_split(power, 40)], np.float64)
    logarithms: npt.NDArray[np.float64] = np.log10(bands + 1)
    return logarithms
