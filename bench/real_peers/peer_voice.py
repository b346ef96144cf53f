"""aichat's own Piper for the servers of the peers, so that the voice is the same in all systems."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aichat.core import Voice
from aichat.plugins.piper import Piper

NOBODY = Voice("joe")


class PeerVoice:
    """The voice, which is loaded once and shared."""

    def __init__(self, model: str) -> None:
        self.piper = Piper(voices=[model])

    @property
    def sample_rate(self) -> int:
        return self.piper.sample_rate

    async def __aenter__(self) -> PeerVoice:
        await self.piper.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.piper.__aexit__(*failure)

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """Yield PCM16; without the times of the words, which only aichat uses."""
        async for piece in self.piper.speak(text, NOBODY):
            if isinstance(piece, bytes):
                yield piece
