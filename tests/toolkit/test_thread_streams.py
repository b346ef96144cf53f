"""Streams that threads make."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread
import pytest

from aichat.core import NotReady, closing
from aichat.toolkit.thread_streams import Listener, ReaderLeft, Workers

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    async with Workers(2, "The test") as workers:
        yield workers


def endless(listener: Listener[int]) -> None:
    for number in range(10**9):
        listener(number)


async def test_what_a_thread_hands_over_comes_in_order(workers: Workers) -> None:
    def count(listener: Listener[int]) -> None:
        for number in range(100):
            listener(number)

    async with closing(workers.stream(count, ahead=3)) as numbers:
        assert [number async for number in numbers] == list(range(100))


async def test_a_thread_waits_while_its_reader_has_enough(workers: Workers) -> None:
    made = 0

    def busy(listener: Listener[int]) -> None:
        nonlocal made
        for number in range(10**9):
            made = number
            listener(number)

    async with closing(workers.stream(busy, ahead=3)) as numbers:
        assert await anext(numbers) == 0
        while made < 4:  # noqa: ASYNC110
            await anyio.sleep(0.001)
        await anyio.sleep(0.05)
        assert made == 4
        (listener,) = workers.listeners
        assert listener.waiting == 3


async def test_a_closed_stream_ends_its_thread(workers: Workers) -> None:
    for _ in range(10):
        async with closing(workers.stream(endless)) as numbers:
            await anext(numbers)
    with anyio.fail_after(60):
        while workers.listeners:  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def test_work_between_two_items_can_see_that_its_reader_left(workers: Workers) -> None:
    saw = threading.Event()

    def silent(listener: Listener[int]) -> None:
        listener(1)
        while not listener.left:
            saw.wait(0.001)
        saw.set()
        raise ReaderLeft

    async with closing(workers.stream(silent)) as numbers:
        await anext(numbers)
    assert await anyio.to_thread.run_sync(saw.wait, 60)


async def test_what_the_work_raises_is_raised_to_its_reader(workers: Workers) -> None:
    def fail(listener: Listener[int]) -> None:
        listener(1)
        raise ZeroDivisionError

    async with closing(workers.stream(fail)) as numbers:
        assert await anext(numbers) == 1
        with pytest.raises(ZeroDivisionError):
            await anext(numbers)


async def test_only_so_many_work_at_once_and_fewer_when_it_is_lowered(workers: Workers) -> None:
    at_once = most = 0
    lock = threading.Lock()

    def work(listener: Listener[int]) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.01)
        with lock:
            at_once -= 1
        listener(1)

    async def read() -> None:
        async with closing(workers.stream(work)) as numbers:
            assert [number async for number in numbers] == [1]

    for count in (2, 1):
        workers.limit(count)
        assert workers.count == count
        most = 0
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(read)
        assert most == count


async def test_who_gives_up_waiting_leaves_the_queue(workers: Workers) -> None:
    async with (
        closing(workers.stream(endless)) as one,
        closing(workers.stream(endless)) as two,
    ):
        await anext(one)
        await anext(two)
        with anyio.move_on_after(0.05) as scope:
            await workers.run(lambda _: 1)
        assert scope.cancelled_caught
    with anyio.fail_after(60):
        assert await workers.run(lambda _: 7) == 7


async def test_at_the_end_streams_say_that_there_is_nobody_any_more() -> None:
    async with Workers(1, "The test") as workers:
        stream = workers.stream(endless)
        await anext(stream)
    with pytest.raises(NotReady, match="The test is not running"):
        assert [number async for number in stream] == []
    with pytest.raises(NotReady):
        await workers.run(lambda _: 1)
    with pytest.raises(NotReady):
        await Workers(1, "The test").run(lambda _: 1)


async def test_work_of_one_step_is_told_that_nobody_waits_for_it_any_more(
    workers: Workers,
) -> None:
    begun, told = threading.Event(), threading.Event()

    def work(left: Callable[[], bool]) -> None:
        begun.set()
        while not left():
            told.wait(0.001)
        told.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, work)
        assert await anyio.to_thread.run_sync(begun.wait, 60)
        tasks.cancel_scope.cancel()
    assert await anyio.to_thread.run_sync(told.wait, 60)
