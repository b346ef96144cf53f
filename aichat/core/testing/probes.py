"""What contract tests measure: a blocked event loop, a slow close, threads left behind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter

import anyio
from attrs import define, field

from ..backends import Tts, WordMark
from ..models import Voice
from ..streams import closing

STALL_SECONDS = 0.05
PROMPT_SECONDS = 0.5
ATTEMPTS = 3
"""A busy machine can stop any program for 50 ms; a blocking call does so every time."""


async def longest_stall(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time, in seconds, that *work* kept the event loop from others."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = perf_counter()
            await anyio.sleep(0.002)
            worst = max(worst, perf_counter() - before - 0.002)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await work()
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return worst


async def assert_no_stall(work: Callable[[], Awaitable[object]]) -> None:
    """Fail when *work* blocks the event loop, each time it is tried."""
    stalls = []
    for _ in range(ATTEMPTS):
        stalls.append(await longest_stall(work))
        if stalls[-1] < STALL_SECONDS:
            return
    raise AssertionError(f"the event loop stood still for {min(stalls):.3f} s or longer")


async def assert_prompt(work: Callable[[], Awaitable[object]]) -> None:
    """Fail when *work* takes long, each time it is tried."""
    times = []
    for _ in range(ATTEMPTS):
        before = perf_counter()
        await work()
        times.append(perf_counter() - before)
        if times[-1] < PROMPT_SECONDS:
            return
    raise AssertionError(f"it took {min(times):.3f} s or longer")


async def assert_threads_settle(before: int) -> None:
    """Fail when there are more threads than *before*. Threads that wait to be used again count."""
    with anyio.move_on_after(5):
        while threading.active_count() > before:
            await anyio.sleep(0.01)
    assert threading.active_count() <= before, [thread.name for thread in threading.enumerate()]


@define
class Said:
    """What a voice gave for one text."""

    pcm: bytes = b""
    marks: list[WordMark] = field(factory=list)


async def say(tts: Tts, text: str, voice: Voice) -> Said:
    """Let *tts* say all of *text*."""
    said = Said()
    async with closing(tts.speak(text, voice)) as stream:
        async for piece in stream:
            if isinstance(piece, WordMark):
                said.marks.append(piece)
            else:
                assert len(piece) % 2 == 0, "a chunk ends within a sample"
                said.pcm += piece
    return said


async def first_audio(stream: AsyncIterator[bytes | WordMark]) -> bytes:
    """Read *stream* up to its first audio."""
    async for piece in stream:
        if isinstance(piece, bytes) and piece:
            return piece
    raise AssertionError("the voice said nothing")
