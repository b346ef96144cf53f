"""The WebSocket ``/ws/echo``: sends sound back as it came, so that a page can measure the way.

Nobody listens to it, and nothing of it is kept.
"""

from __future__ import annotations

from typing import Any

import anyio
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from aichat.web.access.rate_limits import Bucket

LONGEST = 4_096
"""Bytes of a frame; 20 ms of 16 kHz PCM16 are 640, and a number before them."""
FRAMES = 100.0
"""So many frames a second may come: twice as many as a microphone sends."""
SECONDS = 30.0
"""A test takes no longer."""


@websocket("/ws/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    """Send every binary frame back."""
    await socket.accept()
    allowed = Bucket(FRAMES, 2 * FRAMES, anyio.current_time)
    try:
        with anyio.move_on_after(SECONDS):
            while True:
                frame = await socket.receive_data("binary")
                if not isinstance(frame, bytes) or not 0 < len(frame) <= LONGEST or allowed.take():
                    await socket.close(1008, "Send sound only, as fast as one speaks.")
                    return
                await socket.send_bytes(frame)
        await socket.close(1000, "The test is over.")
    except WebSocketDisconnect:
        return
