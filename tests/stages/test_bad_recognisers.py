"""Recognisers that hang, answer too late, or fail each time: a conversation goes on."""

from __future__ import annotations

import anyio
import pytest

from aichat.core import Utterance
from aichat.core.events import ConversationClosed, HandlerFailed, TranscriptUpdated, UserSaid
from aichat.core.testing.fakes import FakeStt, FakeTurn
from support.chat import a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio

LONG = 400.0


class Shielded(FakeStt):
    """Its first calls cannot be cancelled for minutes, as in a thread that hangs."""

    hang = 1

    async def transcribe(self, utterance: Utterance) -> str:
        if self.hang and utterance.final:
            self.hang -= 1
            with anyio.CancelScope(shield=True):
                await anyio.sleep(LONG)
        return await super().transcribe(utterance)


async def test_one_that_cannot_be_cancelled_does_not_hold_up_what_is_said_next() -> None:
    stt = Shielded("hello Mark")
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=100), failures=True) as chat:
        began = chat.bus.clock.now()
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        failed = await chat.until(HandlerFailed)
        assert "not transcribed within 30 seconds" in str(failed.error)
        assert chat.heard.of(TranscriptUpdated)[-1].final  # the page waits no longer
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        assert (await chat.until(UserSaid)).text == "hello Mark"
        assert chat.bus.clock.now() - began < 100


class Late(FakeStt):
    """Answers after five seconds, whatever is cancelled meanwhile."""

    async def transcribe(self, utterance: Utterance) -> str:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(5)
        return await super().transcribe(utterance)


async def test_what_comes_after_the_conversation_was_closed_opens_no_turn() -> None:
    async with a_chat(stt=Late("too late"), turn=FakeTurn(end_ms=100)) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        await anyio.sleep(1)
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        await chat.bus.settled()
        await anyio.sleep(60)
        assert chat.heard.of(UserSaid) == []
        assert not [event for event in chat.heard.of(TranscriptUpdated) if event.text]


class Failing(FakeStt):
    async def transcribe(self, utterance: Utterance) -> str:
        self.asked.append(utterance)
        raise RuntimeError("no")


async def test_one_that_fails_at_each_call_is_reported_once_for_each_utterance() -> None:
    stt = Failing()
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=100), failures=True) as chat:
        for count in range(1, 4):
            await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
            await chat.bus.settled()
            assert len([e for e in chat.heard.of(TranscriptUpdated) if e.final]) == count
        await chat.say("I type, then.")
        assert [said.text for said in chat.heard.of(UserSaid)] == ["I type, then."]
        assert len(chat.heard.of(HandlerFailed)) <= 2 * 3
