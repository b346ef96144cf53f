"""A voice for aichat that whistles: a note for each letter, a pitch of its own for each voice."""

import re
from collections.abc import AsyncIterator
from math import pi, sin
from struct import pack
from zlib import crc32

import anyio

from aichat.core import Backend, Voice, WordMark, hookimpl


class Whistle:
    """*ms* is the length of a note."""

    sample_rate, max_concurrent = 24_000, 8
    abilities = frozenset({"word_times"})

    def __init__(self, ms: int = 60) -> None:
        self.samples = self.sample_rate * ms // 1000

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        note, at = self.note(600 + crc32(voice.voice.encode()) % 900), 0
        for word in re.finditer(r"\w{1,20}", text):
            yield WordMark(*word.span(), at)
            for _ in word[0]:
                yield note
                at += self.samples
                await anyio.sleep(0)  # others have their turn

    def note(self, hertz: int) -> bytes:  # swells and fades; PCM16, little-endian
        turn, fade = 2 * pi * hertz / self.sample_rate, pi / self.samples
        waves = (int(9000 * sin(turn * n) * sin(fade * n)) for n in range(self.samples))
        return pack(f"<{self.samples}h", *waves)


@hookimpl
def tts_backend() -> Backend[Whistle]:
    return Backend("whistle", Whistle)
