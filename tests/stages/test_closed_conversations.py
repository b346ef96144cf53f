"""Nothing is kept of a conversation that was closed, whatever of it was still going on."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Bus, Parts, hookimpl
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    ConversationClosed,
    PlaybackPaused,
    TranscriptUpdated,
    TurnFinished,
    UserSaid,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn
from aichat.stages.remembering.storage_queue import StorageQueues
from support.chat import Chat, a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio


def kept(chat: Chat) -> dict[str, int]:
    """Return how much the bus and the stages keep of conversations."""
    conversations = chat.bus._conversations
    queues = [one for one in chat.parts.writes.pending if isinstance(one, StorageQueues)]
    return {
        "states": len(conversations.by_id),
        "values": sum(len(values) for values in conversations.values),
        "queues": sum(len(one.queues) for one in queues),
    }


NOTHING = {"states": 0, "values": 0, "queues": 0}


async def test_what_is_kept_while_it_is_open_is_gone_when_it_is_closed() -> None:
    async with a_chat(stt=FakeStt("@Olivia hi")) as chat:
        await chat.say("@Olivia hi")
        await hear(chat, *[SPEECH] * 5, QUIET)
        await chat.bus.settled()
        assert kept(chat)["values"] >= 7, "each stage keeps something"
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        await chat.bus.settled()
        assert kept(chat) == NOTHING


class Late:
    """A plug-in whose handler goes on after its conversation was closed."""

    @hookimpl
    def connect(self, bus: Bus, parts: Parts) -> None:
        async def go_on(event: UserSaid) -> None:
            if event.source == "text":
                await anyio.sleep(20)
                turn = bus.new_turn("c")
                bus.post(TranscriptUpdated(turn, "late", final=True))
                await bus.publish(UserSaid(turn, "@Olivia late", "voice", "late"))
                bus.post(PlaybackPaused(bus.turn("c"), "user"))

        bus.subscribe(go_on)


async def test_a_handler_that_outlives_its_conversation_has_its_words_stored_and_no_answer() -> (
    None
):
    llm = FakeLlm()
    async with a_chat(llm=llm, extra=[Late()]) as chat:
        await chat.begin("@Olivia hi")
        await anyio.sleep(10)
        assert len(chat.heard.of(TurnFinished)) == len(llm.asked) == 1
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        await chat.bus.settled()
        await anyio.sleep(1)
        assert kept(chat) == NOTHING
        assert (await chat.said())[-1] == ("user", "@Olivia late")
        assert len(llm.asked) == 1


@settings(max_examples=60, deadline=None)
@given(
    waits=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    stt_seconds=st.sampled_from([0.0, 0.3, 3.0]),
    speculate=st.sampled_from(["on", "off"]),
    opens_again=st.booleans(),
)
def test_what_goes_on_when_it_is_closed_leaves_nothing_either(
    waits: list[int], stt_seconds: float, speculate: str, opens_again: bool
) -> None:
    async def program() -> None:
        llm, tts = FakeLlm(seconds=0.05), FakeTts(seconds=0.01)
        stt = FakeStt("@Olivia hi", seconds=stt_seconds)
        turn = FakeTurn(end_ms=200, speculate=speculate)
        async with a_chat(llm=llm, tts=tts, stt=stt, turn=turn) as chat:
            for wait in waits:
                await hear(chat, *[SPEECH] * 10, *[QUIET] * wait)
                await anyio.sleep(wait / 50)
                chat.bus.post(ConversationClosed(chat.bus.turn("c")))
                if not opens_again:
                    await chat.bus.settled()
                    assert kept(chat) == NOTHING
            await chat.bus.settled()
            assert kept(chat) == NOTHING

    run_virtual(program)
