"""Language models that misbehave: each costs its line, never the turn, the next or another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from attrs import define

from aichat.core import Conversation, Prompt
from aichat.core.bus import lane
from aichat.core.events import AudioReady, HandlerFailed, TurnFinished
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio
FIRST = "Hello there, this is one. "


@define(eq=False)
class Odd(FakeLlm):
    """Olivia's lines are what *make* returns."""

    make: Callable[[], Any] = lambda: None

    def reply(self, prompt: Prompt) -> Any:
        return self.make() if prompt.character.name == "Olivia" else super().reply(prompt)


def sends(*pieces: Any) -> Callable[[], Any]:
    async def send() -> AsyncIterator[Any]:
        for piece in pieces:
            if isinstance(piece, type):
                raise piece
            yield piece

    return send


async def a_coroutine() -> str:
    return FIRST


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (sends(5), "The language model sent int, not text."),
        (sends(None), "The language model sent NoneType, not text."),
        (sends(b"hello"), "The language model sent bytes, not text."),
        (sends({"text": "hi"}), "The language model sent dict, not text."),
        (sends(FIRST, ["hi"]), "The language model sent list, not text."),
        (sends(FIRST, GeneratorExit), "An engine ended its stream with GeneratorExit."),
        (sends(FIRST, SystemExit), "An engine ended its stream with SystemExit."),
        (
            sends(FIRST, asyncio.CancelledError),
            "An engine ended its stream with CancelledError.",
        ),
        (sends(FIRST, StopAsyncIteration), "async generator raised StopAsyncIteration"),
        (a_coroutine, "An engine gave coroutine, not an asynchronous stream."),
        (lambda: FIRST, "An engine gave str, not an asynchronous stream."),
        (lambda: None, "An engine gave NoneType, not an asynchronous stream."),
        (lambda: [FIRST], "An engine gave list, not an asynchronous stream."),
    ],
)
async def test_what_is_no_text_ends_the_line_in_words_and_the_turn_goes_on(
    make: Callable[[], Any], problem: str
) -> None:
    llm = Odd("I am well.", make=make)
    async with a_chat(llm=llm, failures=True) as chat:
        await chat.say("@Olivia @Mark hi")
        assert [str(e.error).partition("\n")[0] for e in chat.heard.of(HandlerFailed)] == [problem]
        assert (await chat.said())[-1] == ("Mark", "I am well.")
        assert len(chat.heard.of(TurnFinished)) == 1
        await chat.say("@Mark hi")
        assert len(chat.heard.of(TurnFinished)) == 2


async def shielded(release: anyio.Event) -> AsyncIterator[str]:
    yield FIRST
    with anyio.CancelScope(shield=True):
        await release.wait()
    yield "Too late. "


async def hangs_when_it_is_closed(release: anyio.Event) -> AsyncIterator[str]:
    try:
        yield FIRST
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await release.wait()


def finished(chat: Chat, conversation: str) -> int:
    turns = chat.heard.of(TurnFinished)
    return sum(turn.turn.conversation == conversation for turn in turns)


@pytest.mark.parametrize("make", [shielded, hangs_when_it_is_closed])
async def test_an_engine_that_does_not_heed_an_interruption_is_left_behind(
    make: Callable[[anyio.Event], AsyncIterator[str]],
) -> None:
    store, release = await a_store(), anyio.Event()
    await store.add_conversation(Conversation("other", active_characters=["mark"]))
    llm, tts = Odd("I am well.", make=lambda: make(release)), FakeTts(seconds=0.001)
    async with a_chat(llm=llm, tts=tts, storage=store, failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await chat.begin("@Mark hi", "other")
        await anyio.sleep(2)
        assert finished(chat, "other") == 1
        await chat.begin("@Mark and you?")
        await anyio.sleep(lane.HEED_SECONDS + 1)
        assert finished(chat, "c") == 1
        assert (await chat.said())[-1] == ("Mark", "I am well.")
        await chat.begin("@Mark again")
        await anyio.sleep(1)
        assert finished(chat, "c") == 2
        before = await chat.said()
        release.set()
        await chat.bus.settled()
        assert await chat.said() == before, "what comes of it late is nothing"
