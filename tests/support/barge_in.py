"""What tests of barge-in share: a character that is speaking, and a recogniser that hears late."""

from __future__ import annotations

import anyio

from aichat.core import Utterance
from aichat.core.events import AudioReady
from aichat.core.testing.fakes import FakeStt, FakeTts, FakeTurn
from support.chat import Chat

PATIENT = FakeTurn(end_ms=300, barge_in_ms=1000)
SLOW = FakeTts(ms_per_word=500)


class Hears(FakeStt):
    """Hears nothing in the guesses, and *text* in the end."""

    async def transcribe(self, utterance: Utterance) -> str:
        return self.text if utterance.final else ""


async def speaking(chat: Chat, text: str = "@Olivia hi", seconds: float = 1.0) -> None:
    await chat.begin(text)
    await chat.until(AudioReady)
    await anyio.sleep(seconds)
