"""Replies that never end, that show nothing, or that come all at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import define, field

from aichat.core import THINKING, CooperativeYield, LlmOutput, Prompt, Thinking
from aichat.core.events import HandlerFailed, Interrupted, ReplyClause, ReplyFinished, TurnFinished
from aichat.stages.answering import reply_round
from aichat.stages.answering.reply_bounds import (
    LONGEST_REPLY,
    LOOP,
    SLICE,
    THINKING_SECONDS,
    ReplyBounds,
    repeats_itself,
)
from support.chat import Chat, a_chat

pytestmark = pytest.mark.anyio


@define
class Endless:
    """Writes *begins* and then *piece*, over and over, one each *seconds*."""

    piece: LlmOutput
    begins: LlmOutput = ""
    seconds: float = 0.0
    closed: int = field(init=False, default=0)
    max_reply_letters: int = LONGEST_REPLY
    thinking_seconds: float = THINKING_SECONDS / 2
    reply_seconds: float = 120.0

    async def reply(self, prompt: Prompt) -> AsyncIterator[LlmOutput]:
        try:
            yield self.begins
            while True:
                await anyio.sleep(self.seconds)
                yield self.piece
        finally:
            self.closed += 1


def errors(chat: Chat) -> list[str]:
    return [str(failed.error).partition("\n")[0] for failed in chat.heard.of(HandlerFailed)]


@pytest.mark.parametrize("piece", [" ", "*", "ha ", "👍", "\u200b", "I am sorry. ", "```\n", "\n"])
async def test_a_model_that_loops_is_ended_and_the_next_one_speaks(piece: str) -> None:
    llm = Endless(piece, begins="Well. ")
    async with a_chat(llm=llm, failures=True) as chat:
        await chat.say("@Olivia @Mark hi")
        assert len(chat.heard.of(TurnFinished)) == 1
        finished = chat.heard.of(ReplyFinished)
        assert len(finished) == 2
        assert all(len(one.text) <= LOOP + 500 for one in finished)
        assert len(errors(chat)) == 2
        assert errors(chat)[0].startswith("Olivia's reply was ended: it ")
    assert llm.closed == 2


@pytest.mark.parametrize("piece", [" ", "*", "Olivia:\n", "\u200b\u200d", "\n"])
async def test_a_reply_that_shows_nothing_times_out_like_silence(piece: str) -> None:
    async with a_chat(llm=Endless(piece, seconds=1.0), failures=True) as chat:
        began = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        assert 40 < chat.bus.clock.now() - began < 60
        assert len(chat.heard.of(TurnFinished)) == 1
        assert errors(chat) == ["The language model wrote nothing for 45 seconds."]


@pytest.mark.parametrize("piece", ["Hm. ", THINKING])
async def test_a_model_may_think_for_long_but_not_for_ever(piece: str | Thinking) -> None:
    begins = "<think>" if isinstance(piece, str) else THINKING
    async with a_chat(llm=Endless(piece, begins, seconds=30.0), failures=True) as chat:
        began = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        assert 300 < chat.bus.clock.now() - began < 360
        assert errors(chat) == ["Olivia's model was still thinking after 300 seconds."]


async def test_a_model_that_writes_a_letter_now_and_then_does_not_write_for_ever() -> None:
    async with a_chat(llm=Endless("a", seconds=10.0), failures=True) as chat:
        began = chat.bus.clock.now()
        await chat.say("@Olivia @Mark hi")
        assert 240 <= chat.bus.clock.now() - began < 290
        assert len(chat.heard.of(ReplyFinished)) == 2
        assert errors(chat) == [
            "Olivia's reply was ended: it took 120 seconds to write.",
            "Mark's reply was ended: it took 120 seconds to write.",
        ]


async def test_what_a_model_says_after_long_thoughts_is_its_reply() -> None:
    @define
    class Thoughtful:
        async def reply(self, prompt: Prompt) -> AsyncIterator[LlmOutput]:
            for piece in ("<think>", *["Well, "] * 5, "</think>", THINKING, THINKING, "Hello!"):
                yield piece
                await anyio.sleep(30)

    async with a_chat(llm=Thoughtful(), failures=True) as chat:
        await chat.say("@Olivia hi")
        assert [one.text for one in chat.heard.of(ReplyFinished)] == ["Hello!"]
        assert errors(chat) == []


async def test_thoughts_of_spaces_are_no_sign_of_life() -> None:
    async with a_chat(llm=Endless(" ", "<think>", seconds=1.0), failures=True) as chat:
        await chat.say("@Olivia hi")
        assert errors(chat) == ["The language model wrote nothing for 45 seconds."]


async def test_a_reply_is_ended_after_as_many_letters_as_the_backend_says() -> None:
    @define
    class Numbers:
        max_reply_letters: int = 2_000

        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            yield " ".join(map(str, range(100_000)))

    async with a_chat(llm=Numbers(), failures=True) as chat:
        await chat.say("@Olivia hi")
        finished = chat.heard.of(ReplyFinished)[0]
        assert len(finished.text) == 2_000
        assert "".join(clause.shown for clause in chat.heard.of(ReplyClause)) == finished.text
        assert errors(chat) == ["Olivia's reply was ended after 2,000 letters."]


async def test_others_work_between_the_slices_of_a_reply_that_comes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @define
    class Huge:
        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            yield "".join(f"<{number} " for number in range(20_000))

    breaths = 0

    class Counting(CooperativeYield):
        async def checkpoint(self) -> None:
            nonlocal breaths
            breaths += 1
            await super().checkpoint()

    monkeypatch.setattr(reply_round, "CooperativeYield", Counting)
    async with a_chat(llm=Huge(), failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(ReplyClause, 50)
        clauses = sum(len(clause.shown) for clause in chat.heard.of(ReplyClause))
        assert breaths >= clauses // SLICE - 1
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))


def test_only_what_repeats_itself_is_a_loop() -> None:
    assert repeats_itself("no, " * 1_000)
    assert repeats_itself(("a" * 150 + "b") * 30)
    assert not repeats_itself("no, " * 700)
    assert not repeats_itself("".join(f"{number}, " for number in range(1_000))[-LOOP:])
    assert not repeats_itself("x" * (LOOP - 1) + "y")


def test_the_slices_are_the_text() -> None:
    text = "".join(map(chr, range(200, 2_000)))
    pieces = list(ReplyBounds("Olivia").slices(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) == SLICE
