"""Speech for tests, made by the product's own espeak plug-in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import anyio
import numpy as np
import soxr

from aichat.core import Voice
from aichat.plugins.espeak import RATE, Espeak


@cache
def say(text: str, voice: str = "en-us", rate: int = 16_000) -> bytes:
    """Return *text* spoken, PCM16 at *rate* Hz, with a little room noise."""
    with ThreadPoolExecutor(1) as thread:  # there may be an event loop in this one
        pcm = thread.submit(anyio.run, _say, text, voice).result()
    sound = soxr.resample(np.frombuffer(pcm, "<i2").astype(np.float32), RATE, rate)
    sound += 30 * np.random.default_rng(0).standard_normal(len(sound), np.float32)
    return bytes(sound.clip(-32768, 32767).astype("<i2").tobytes())


async def _say(text: str, name: str) -> bytes:
    fixed = {"voice": name, "pitch": 50, "rate": 175, "range": 50}
    async with Espeak(max_concurrent=1) as espeak:
        stream = espeak.speak(text, Voice("test", settings={"espeak": fixed}))
        return b"".join([piece async for piece in stream if isinstance(piece, bytes)])
