"""A user's microphone, in frames of 20 ms; any sample that is not zero is voice to the fakes."""

from __future__ import annotations

import anyio

from aichat.core.events import AudioReceived
from support.chat import Chat

SPEECH, QUIET = b"\x01\x00" * 320, bytes(640)


async def hear(chat: Chat, *frames: bytes, pace: float = 0.02) -> None:
    """Send frames of 20 ms in real time."""
    for frame in frames:
        await chat.bus.publish(AudioReceived(chat.bus.turn("c"), frame))
        await anyio.sleep(pace)
