"""Work that takes long, done as long as somebody waits for its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from litestar import Request

from aichat.core import NotReady
from aichat.core.bus.tasks import plain_task_group

T = TypeVar("T")


async def while_there(request: Request[Any, Any, Any], work: Callable[[], Awaitable[T]]) -> T:
    """Do *work*, whose request was read to its end; cancel it when the client has gone.

    Raises what the work raises, and NotReady, which nobody hears, when it was cancelled.
    """
    made: list[T] = []
    async with plain_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        made.append(await work())
        tasks.cancel_scope.cancel()
    if not made:
        raise NotReady("Nobody waits for this any more.", "Ask again.")
    return made[0]


async def _cancel_when_gone(request: Request[Any, Any, Any], scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # the rest of a body that nobody wants
    scope.cancel()
