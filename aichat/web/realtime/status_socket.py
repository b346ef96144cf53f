"""The WebSocket ``/ws/status``: sends a page the state of the parts whenever it changes.

Pages in a conversation get it from their room; the others connect here. They also use it to check
that the server is there, and its round-trip time: a text frame ``{"type": "ping", "t": …}`` is
answered by a ``pong`` with the same ``t``. Fragments come as ``{"type": "html", "html": …}``; with
the query *list*, those that change the list of conversations as well.
"""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
from jinja2 import Environment
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from msgspec import Struct

from aichat.core import Parts
from aichat.web.access.rate_limits import Bucket
from aichat.web.html.fragments import partial
from aichat.web.html.templates import templates_of
from aichat.web.schemas.parameters import Injected

from .rooms import Rooms

PINGS = 20.0
"""Most frames per second, on average."""
BURST = 60.0
"""Most frames at once."""
CHANGES = 64
"""Most changes of the list that wait for a slow page; then the oldest is dropped."""
LONGEST = 200
"""Most characters of a frame."""


class Ping(Struct, tag="ping"):
    """Asks whether the server is there; *t* is sent back."""

    t: float


_pings = msgspec.json.Decoder(Ping)


@websocket("/ws/status")
async def watch(
    socket: WebSocket[Any, Any, Any], parts: Injected[Parts], rooms: Injected[Rooms]
) -> None:
    """Send a page the state of the parts that the query *parts* names (default: all)."""
    names = set((socket.query_params.get("parts") or "").split(",")) - {""}
    send_news, news = anyio.create_memory_object_stream[None](1)

    def changed() -> None:
        if not send_news.statistics().current_buffer_used:  # one signal for all that has changed
            send_news.send_nowait(None)

    await socket.accept()
    changed()  # what has changed since the page was drawn
    parts.watchers.append(changed)
    try:
        async with anyio.create_task_group() as tasks, send_news, news:

            async def send_statuses() -> None:
                async for _ in news:
                    html = statuses(templates_of(socket.app), parts, names)
                    await socket.send_json({"type": "html", "html": html})

            tasks.start_soon(send_statuses)
            if "list" in socket.query_params:
                tasks.start_soon(_send_list_changes, socket, rooms)
            await _answer(socket)
            tasks.cancel_scope.cancel()
    finally:
        parts.watchers.remove(changed)


async def _send_list_changes(socket: WebSocket[Any, Any, Any], rooms: Rooms) -> None:
    """Send a page the changes of the list of conversations."""
    send_html, fragments = anyio.create_memory_object_stream[str](CHANGES)

    def changed(html: str) -> None:
        if send_html.statistics().current_buffer_used == CHANGES:
            fragments.receive_nowait()  # a slow page misses the oldest
        send_html.send_nowait(html)

    rooms.onlookers.append(changed)
    try:
        async with send_html, fragments:
            async for html in fragments:
                await socket.send_json({"type": "html", "html": html})
    finally:
        rooms.onlookers.remove(changed)


def statuses(jinja: Environment, parts: Parts, names: set[str]) -> str:
    """Render the list of candidates as an HTML fragment."""
    wanted = [one for one in parts.statuses() if not names or one.part in names]
    html = jinja.get_template("fragments/statuses.html").render(statuses=wanted)
    return partial("#statuses", "outerHTML", html)


async def _answer(socket: WebSocket[Any, Any, Any]) -> None:
    """Answer pings until the page is gone; close the connection on any other frame."""
    allowed = Bucket(PINGS, BURST, anyio.current_time)
    try:
        while True:
            text = await socket.receive_data("text")
            time = _ping(text)
            if time is None or allowed.take():
                await socket.close(1008, "Send pings only, and fewer of them.")
                return
            await socket.send_json({"type": "pong", "t": time})
    except WebSocketDisconnect:
        return


def _ping(text: str | bytes) -> float | None:
    try:
        return _pings.decode(text).t if len(text) <= LONGEST else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
