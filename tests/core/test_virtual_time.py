"""Virtual time: long waits cost nothing, and their order is exact."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import anyio
import pytest

from aichat.core import Clock, new_id
from aichat.core.bus.virtual_time import run_virtual


def test_an_hour_passes_in_milliseconds() -> None:
    async def program() -> float:
        began = Clock().now()
        for _ in range(180):
            await anyio.sleep(20)
        return Clock().now() - began

    assert run_virtual(program) == pytest.approx(3600)  # or the test's own timeout ends it


def test_timers_go_off_in_exact_order_and_at_their_moment() -> None:
    async def program() -> list[tuple[str, float]]:
        rang: list[tuple[str, float]] = []

        async def ring(name: str, after: float) -> None:
            await anyio.sleep(after)
            rang.append((name, anyio.current_time()))

        async with anyio.create_task_group() as tasks:
            for name, after in (("late", 60.0), ("early", 0.001), ("middle", 59.999)):
                tasks.start_soon(ring, name, after)
        return rang

    rang = run_virtual(program)
    assert [name for name, _ in rang] == ["early", "middle", "late"]
    assert [moment for _, moment in rang] == pytest.approx([0.001, 59.999, 60.0])


def test_a_deadline_cuts_a_long_wait() -> None:
    async def program() -> float:
        with pytest.raises(TimeoutError), anyio.fail_after(5):
            await anyio.sleep(3600)
        return anyio.current_time()

    assert run_virtual(program) == pytest.approx(5)


def test_time_stands_still_while_a_worker_thread_works() -> None:
    async def program() -> tuple[int, float]:
        with anyio.fail_after(1):  # a virtual second, which may not run out meanwhile
            answer = await anyio.to_thread.run_sync(lambda: time.sleep(0.05) or 42)
        return answer, anyio.current_time()

    assert run_virtual(program) == (42, 0.0)


def test_a_thread_of_ones_own_wakes_the_loop() -> None:
    async def program(answer: int) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        worker = threading.Timer(0.02, loop.call_soon_threadsafe, (future.set_result, answer))
        worker.start()
        try:
            return await future
        finally:
            worker.join()

    assert run_virtual(program, 42) == 42


def test_while_a_socket_is_open_time_passes_as_it_really_does() -> None:
    async def program() -> tuple[bytes, bool]:
        here, there = socket.socketpair()
        here.setblocking(False)
        answer = threading.Timer(0.05, there.send, (b"hello",))
        answer.start()
        with here, there:
            with anyio.fail_after(30):  # would run out at once if time were virtual here
                heard = await asyncio.get_running_loop().sock_recv(here, 5)
            answer.join()
            return heard, anyio.current_time() < 30

    assert run_virtual(program) == (b"hello", True)


def test_a_seed_makes_the_same_ids_again() -> None:
    async def program() -> list[str]:
        made = []
        for _ in range(3):
            await anyio.sleep(0.5)
            made.append(new_id())
        return made

    first, again = run_virtual(program, seed=1), run_virtual(program, seed=1)
    assert first == again == sorted(first)
    assert first != run_virtual(program, seed=2)
    assert new_id() > max(first)


def test_an_error_comes_out_as_it_was_raised() -> None:
    async def program() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_virtual(program)
