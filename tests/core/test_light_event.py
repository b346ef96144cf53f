"""A light event keeps the promises of anyio's: each test runs on both kinds."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core.bus.light_event import LightEvent, light_event

pytestmark = pytest.mark.anyio
AnEvent = LightEvent | anyio.Event
KINDS = pytest.mark.parametrize("make", [light_event, anyio.Event])


async def test_asyncio_has_the_light_kind(anyio_backend_name: str) -> None:
    is_light = isinstance(light_event(), LightEvent)
    assert is_light == (anyio_backend_name == "asyncio")


@KINDS
@given(cancelled=st.sets(st.integers(0, 5)), late=st.booleans())
def test_all_that_wait_go_on_in_their_order_but_those_that_were_cancelled(
    make: Callable[[], AnEvent], cancelled: set[int], late: bool
) -> None:
    woken: list[int] = []

    async def wait(number: int, event: AnEvent, scope: anyio.CancelScope) -> None:
        with scope:
            await event.wait()
            woken.append(number)

    async def main() -> None:
        event, scopes = make(), [anyio.CancelScope() for _ in range(6)]
        async with anyio.create_task_group() as tasks:
            for number, scope in enumerate(scopes):
                tasks.start_soon(wait, number, event, scope)
            await anyio.wait_all_tasks_blocked()
            for number in cancelled:
                scopes[number].cancel()
            if late:  # else they are cancelled and woken in the same turn of the loop
                await anyio.wait_all_tasks_blocked()
            assert not event.is_set()
            event.set()
            event.set()
        assert event.is_set()
        await event.wait()

    anyio.run(main)
    assert woken == [number for number in range(6) if number not in cancelled]


async def test_a_task_may_wait_again_after_it_was_cancelled() -> None:
    event = light_event()
    with anyio.move_on_after(0):
        await event.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(event.wait)
        await anyio.lowlevel.checkpoint()
        event.set()
