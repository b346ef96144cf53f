"""Engines that no timeout and no cancellation ends: the turn ends, and the next reply is spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from attrs import define, field

from aichat.core import Prompt, Voice
from aichat.core.bus import engine_calls
from aichat.core.events import AudioReady, HandlerFailed, ReplyText, TurnFinished
from aichat.core.registry.selection import Candidate, State
from aichat.core.registry.standby import MOST_STUCK, REST_SECONDS
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.stages.answering.reply_round import TOKEN_SECONDS
from aichat.stages.speaking import CHUNK_SECONDS
from support.chat import Chat, a_chat

pytestmark = pytest.mark.anyio
TONE = b"\x10\x03\xf0\xfc" * 240  # 20 ms at 24 kHz
LATE = engine_calls.HEED_SECONDS + 1


@define(eq=False)
class Stuck:
    """Ends only when the test lets it: in a shield, or because it catches every cancellation."""

    how: str
    released: bool = False
    calls: int = 0
    """Calls that run."""

    async def hang(self) -> None:
        self.calls += 1
        with anyio.CancelScope(shield=self.how == "shield"):
            while not self.released:
                try:
                    await anyio.sleep(1)
                except anyio.get_cancelled_exc_class():
                    assert self.how == "catches"
        self.calls -= 1


@define(eq=False)
class StuckTts:
    """A voice for one clause at once; it says *first*, then is stuck."""

    stuck: Stuck
    first: bytes = b""
    sample_rate: int = 24_000
    max_concurrent: int = 1
    asked: list[str] = field(factory=list)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        self.asked.append(text)
        if self.first:
            yield self.first
        if not self.stuck.released:
            await self.stuck.hang()
        yield 25 * TONE


@define(eq=False)
class StuckLlm(FakeLlm):
    """A model that writes *first*, then is stuck."""

    stuck: Stuck = field(factory=lambda: Stuck("shield"))
    first: str = ""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        self.asked.append(prompt)
        if self.first:
            yield self.first
        if not self.stuck.released:
            await self.stuck.hang()
        yield "At last."


def errors(chat: Chat) -> list[str]:
    return [str(e.error).partition("\n")[0] for e in chat.heard.of(HandlerFailed)]


def second(chat: Chat, part: str, backend: Any) -> None:
    """Let another candidate be ready behind the first."""
    candidate = Candidate(part, "second", lambda: backend, state=State.READY, backend=backend)
    role = chat.parts.roles[part]
    role.candidates = [*role.candidates, candidate]


@pytest.fixture(params=["shield", "catches"])
def stuck(request: pytest.FixtureRequest) -> Stuck:
    return Stuck(request.param)


async def let_go(chat: Chat, stuck: Stuck) -> None:
    stuck.released = True
    await anyio.sleep(3)
    assert not stuck.calls
    assert not chat.bus.engine_calls.stuck


# -- voices --------------------------------------------------------------------------------------


async def test_a_stuck_voice_gives_its_only_slot_back_and_what_comes_late_is_nothing(
    stuck: Stuck,
) -> None:
    tts = StuckTts(stuck, 5 * TONE)
    async with a_chat(tts=tts, llm=FakeLlm("Hello you."), failures=True) as chat:
        before = chat.bus.clock.now()
        await chat.begin("@Olivia hi")
        await chat.until(TurnFinished)
        assert chat.bus.clock.now() - before < CHUNK_SECONDS + LATE
        assert errors(chat) == [f"The voice made no sound for {CHUNK_SECONDS:g} seconds."]
        assert chat.bus.engine_calls.by_engine() == {"StuckTts": 1}
        sounds = [e.pcm for e in chat.heard.of(AudioReady) if e.pcm]
        tts.first = b""
        await chat.begin("@Mark hi")  # it is asked again, for there is no other
        await anyio.sleep(1)
        assert len(tts.asked) == 2
        stuck.released = True
        await chat.until(TurnFinished, 2)
        lines = [e.line for e in chat.heard.of(AudioReady) if e.pcm]
        assert [line.name for line in lines[len(sounds) :]] == ["Mark"] * (len(lines) - len(sounds))
        assert len(lines) > len(sounds)
        await let_go(chat, stuck)


async def test_another_voice_speaks_for_one_that_is_stuck_from_the_same_clause_on(
    stuck: Stuck,
) -> None:
    async with a_chat(tts=StuckTts(stuck), llm=FakeLlm("Hello you."), failures=True) as chat:
        second(chat, "tts", FakeTts())
        await chat.say("@Olivia hi")
        assert sum(len(e.pcm) for e in chat.heard.of(AudioReady)) == 2 * 4_800
        await chat.say("@Mark hi")
        assert len(errors(chat)) == 1
        await let_go(chat, stuck)


async def test_a_voice_that_is_stuck_in_several_calls_is_asked_no_more_until_one_ends(
    stuck: Stuck,
) -> None:
    tts = StuckTts(stuck)
    async with a_chat(tts=tts, llm=FakeLlm("Hello you."), failures=True) as chat:
        for _ in range(MOST_STUCK + 2):
            await chat.say("@Olivia hi")
        assert stuck.calls == MOST_STUCK == len(tts.asked)
        assert chat.bus.engine_calls.by_engine() == {"StuckTts": MOST_STUCK}
        assert len(chat.heard.of(TurnFinished)) == MOST_STUCK + 2
        full = f"[tts] does not answer: {MOST_STUCK} calls of it have not ended."
        assert errors(chat)[-2:] == [full] * 2
        second(chat, "tts", FakeTts())
        await chat.say("@Olivia hi")
        assert len(errors(chat)) == MOST_STUCK + 2
        assert any(e.pcm for e in chat.heard.of(AudioReady))
        await let_go(chat, stuck)
        await anyio.sleep(REST_SECONDS)
        await chat.say("@Olivia hi")
        assert len(tts.asked) == MOST_STUCK + 1


async def test_an_interrupted_voice_that_is_stuck_holds_nobody_up(stuck: Stuck) -> None:
    tts = StuckTts(stuck, 5 * TONE)
    async with a_chat(tts=tts, llm=FakeLlm("Hello you."), failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await chat.begin("@Mark hi")
        await anyio.sleep(LATE)
        assert len(tts.asked) == 2
        stuck.released = True
        await chat.bus.settled()
        assert not errors(chat)
        assert [e.turn for e in chat.heard.of(TurnFinished)] == [chat.bus.turn("c")]
        await let_go(chat, stuck)


# -- language models -----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["", "Hello there, this is one. "])
async def test_a_stuck_model_ends_its_line_and_the_next_character_answers(
    stuck: Stuck, first: str
) -> None:
    llm = StuckLlm(stuck=stuck, first=first)
    async with a_chat(llm=llm, failures=True) as chat:
        before = chat.bus.clock.now()
        await chat.begin("@Olivia @Mark hi")
        await chat.until(TurnFinished)
        assert chat.bus.clock.now() - before < 2 * (TOKEN_SECONDS + LATE)
        problem = f"The language model wrote nothing for {TOKEN_SECONDS:g} seconds."
        assert errors(chat) == [problem] * 2
        assert stuck.calls == 2
        said = await chat.said()
        assert [text for who, text in said if who == "Olivia"] == ([first.strip()] if first else [])
        written = len(chat.heard.of(ReplyText))
        await let_go(chat, stuck)
        assert len(chat.heard.of(ReplyText)) == written, "what it writes late is nothing"
        assert await chat.said() == said
        await chat.say("@Olivia again")
        assert (await chat.said())[-1] == ("Olivia", f"{first}At last.")


async def test_a_model_that_is_stuck_in_several_calls_is_asked_no_more(stuck: Stuck) -> None:
    llm = StuckLlm(stuck=stuck)
    async with a_chat(llm=llm, failures=True) as chat:
        for _ in range(MOST_STUCK + 1):
            await chat.say("@Olivia hi")
        assert stuck.calls == MOST_STUCK == len(llm.asked)
        full = f"[llm] does not answer: {MOST_STUCK} calls of it have not ended."
        assert errors(chat)[-1] == full
        second(chat, "llm", FakeLlm("I am well."))
        await chat.say("@Olivia hi")
        assert (await chat.said())[-1] == ("Olivia", "I am well.")
        await let_go(chat, stuck)
