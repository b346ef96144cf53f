"""Cancels long work when the client that requested it disconnects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from litestar import Request

from aichat.core import NotReady
from aichat.core.bus.task_pool import plain_task_group

T = TypeVar("T")


async def while_there(request: Request[Any, Any, Any], work: Callable[[], Awaitable[T]]) -> T:
    """Do *work* for a fully read request; cancel it when the client disconnects.

    Raises what the work raises, or NotReady when it was cancelled, which no client receives.
    """
    made: list[T] = []
    async with plain_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        made.append(await work())
        tasks.cancel_scope.cancel()
    if not made:
        raise NotReady("The client has disconnected.", "Ask again.")
    return made[0]


async def _cancel_when_gone(request: Request[Any, Any, Any], scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # ignore the rest of the body
    scope.cancel()
