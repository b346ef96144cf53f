"""The WebSocket ``/ws/echo``: sends audio back unchanged, so that a page can measure the delay.

The audio is neither processed nor stored.
"""

from __future__ import annotations

from typing import Any

import anyio
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from aichat.web.access.rate_limits import Bucket

LONGEST = 4_096
"""Most bytes of a frame; 20 ms of 16 kHz PCM16 are 640, after a sequence number."""
FRAMES = 100.0
"""Most frames per second, on average: twice as many as a microphone sends."""
SECONDS = 30.0
"""Seconds after which a test is ended."""


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
                    await socket.close(1008, "Send audio only, at the speed of speech.")
                    return
                await socket.send_bytes(frame)
        await socket.close(1000, "The test is over.")
    except WebSocketDisconnect:
        return
