"""A broadcast wakes all that wait, once, and nobody who comes later."""

from __future__ import annotations

import anyio
import pytest

from aichat.core.bus.change_signal import ChangeSignal

pytestmark = pytest.mark.anyio


async def test_all_that_wait_are_woken_and_those_who_come_later_wait_for_the_next() -> None:
    changed, woken = ChangeSignal(), list[str]()

    async def wait(name: str) -> None:
        await changed.wait()
        woken.append(name)

    changed.notify_all()  # nobody waits: it is not kept for later
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "a")
        tasks.start_soon(wait, "b")
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        changed.notify_all()
        tasks.start_soon(wait, "late")
        await anyio.wait_all_tasks_blocked()
        assert sorted(woken) == ["a", "b"]
        changed.notify_all()
    assert sorted(woken) == ["a", "b", "late"]


async def test_one_that_is_cancelled_keeps_nobody_from_being_woken() -> None:
    changed, woken = ChangeSignal(), list[str]()

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await changed.wait()
            woken.append(name)

    gone = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "gone", gone)
        tasks.start_soon(wait, "stays", anyio.CancelScope())
        await anyio.wait_all_tasks_blocked()
        gone.cancel()
        await anyio.wait_all_tasks_blocked()
        changed.notify_all()
    assert woken == ["stays"]
