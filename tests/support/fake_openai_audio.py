"""A server on this machine that hears and speaks as OpenAI's does, and misbehaves when asked to.

The model's name chooses, as in ``fake_openrouter``; these are the behaviours of audio.
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np

from support.fake_openrouter import BEHAVIOURS, FakeOpenRouter, HungUp, Wire, open_fake

RATE = 24_000
SECONDS_PER_LETTER = 0.02
ODD = 1_001
"""Bytes in a piece of sound: not a whole number of samples."""


def sound(text: str, instructions: str = "") -> bytes:
    """A tone as long as the text, PCM16; a low one if a deep voice is asked for."""
    times = np.arange(int(len(text) * SECONDS_PER_LETTER * RATE)) / RATE
    pitch = 110 if "deep" in instructions else 220
    return (8_000 * np.sin(2 * np.pi * pitch * times)).astype("<i2").tobytes()


async def hear(fake: FakeOpenRouter, wire: Wire) -> None:
    """Write the fake's words down if there is any sound in the file."""
    with wave.open(io.BytesIO(fake.requests[-1].body["file"])) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        loud = np.abs(np.frombuffer(file.readframes(file.getnframes()), "<i2")).max(initial=0)
    await wire.json(200, {"text": f" {fake.words} " if loud > 200 else ""})


async def speak(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send the sound in odd pieces."""
    await wire.begin(b"audio/pcm")
    body = fake.requests[-1].body
    pcm = sound(body["input"], body.get("instructions", ""))
    for at in range(0, len(pcm), ODD):
        await wire.raw(pcm[at : at + ODD])
        await anyio.sleep(fake.seconds_per_word)
    await wire.stream.send(b"0\r\n\r\n")


async def no_text(fake: FakeOpenRouter, wire: Wire) -> None:
    await wire.json(200, {"words": "of another kind"})


async def unclean_text(fake: FakeOpenRouter, wire: Wire) -> None:
    await wire.json(200, {"text": "a\0b \ud83d"})


async def mute(fake: FakeOpenRouter, wire: Wire) -> None:
    await wire.begin(b"audio/pcm")
    await wire.stream.send(b"0\r\n\r\n")


async def hoarse(fake: FakeOpenRouter, wire: Wire) -> None:
    """Break off in the middle of a sound."""
    await wire.begin(b"audio/pcm")
    await wire.raw(sound("Hello"))
    raise HungUp


async def stuck(fake: FakeOpenRouter, wire: Wire) -> None:
    """Stop in the middle of a sound, and keep the connection."""
    await wire.begin(b"audio/pcm")
    await wire.raw(sound("Hello"))
    await anyio.sleep_forever()


BEHAVIOURS.update({one.__name__: one for one in (no_text, unclean_text, mute, hoarse, stuck)})


@asynccontextmanager
async def open_audio() -> AsyncIterator[FakeOpenRouter]:
    """Serve on a free port until the block ends."""
    async with open_fake() as fake:
        fake.usual = {"/audio/transcriptions": hear, "/audio/speech": speak}
        fake.words = "Hello there, what do you think?"
        yield fake
