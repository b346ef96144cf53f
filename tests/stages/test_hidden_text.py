"""What a model thinks is neither stored nor spoken nor known to the next, however it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import define, field

from aichat.core import Prompt, Tool, hookimpl, tool
from aichat.core.events import (
    AudioReady,
    Interrupted,
    LineFinished,
    ReplyClause,
    ReplyFinished,
    ReplyWithdrawn,
    SpeechSynthesized,
    ToolUsed,
    TurnFinished,
)
from aichat.core.testing.fakes import FakeTts
from support.chat import a_chat, a_store

pytestmark = pytest.mark.anyio


@define
class Scripted:
    """Writes one of the *replies* after the other, piece by piece."""

    replies: list[list[str]]
    seconds: float = 0.01
    asked: list[Prompt] = field(factory=list)

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        self.asked.append(prompt)
        for piece in self.replies[min(len(self.asked), len(self.replies)) - 1]:
            await anyio.sleep(self.seconds)
            yield piece


ALOUD = ["They greet me, I see. ", "I am brief. ", "Really.\n", "</think>", "\n\nHello ", "there."]


async def test_thoughts_without_a_tag_are_withdrawn_and_the_next_time_not_even_seen() -> None:
    llm = Scripted([ALOUD])
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        assert await chat.said() == [("user", "@Olivia hi"), ("Olivia", "Hello there.")]
        (taken,) = chat.heard.of(ReplyWithdrawn)
        assert (taken.text, taken.first, taken.until > 0) == ("", 0, True)
        assert chat.heard.of(ReplyFinished)[0].text == "Hello there."

        before = len(chat.heard.of(ReplyClause))
        await chat.say("@Olivia again")
        assert (await chat.said())[-1] == ("Olivia", "Hello there.")
        clauses = chat.heard.of(ReplyClause)[before:]
        assert "".join(clause.shown for clause in clauses) == "Hello there."
        assert len(chat.heard.of(ReplyWithdrawn)) == 1
        said = [message.content for message in llm.asked[-1].messages]
        assert not any("brief" in text for text in said)


async def test_what_was_withdrawn_is_spoken_no_further() -> None:
    async with a_chat(llm=Scripted([ALOUD]), tts=FakeTts(ms_per_word=500, seconds=0.1)) as chat:
        await chat.say("@Olivia hi")
        (taken,) = chat.heard.of(ReplyWithdrawn)
        spoken: dict[int, int] = {}
        for event in chat.heard.of(SpeechSynthesized):
            spoken[event.index] = spoken.get(event.index, 0) + len(event.pcm)
        assert spoken[taken.until - 1] == 0, "a clause that had not begun"
        assert spoken[taken.until] > 0
        assert chat.heard.of(LineFinished)


async def test_what_waits_to_be_played_is_withdrawn_as_well() -> None:
    """A fast voice has spoken long thoughts already, which nobody has heard."""
    thoughts = [f"This is thought number {number}. " for number in range(4)]
    llm = Scripted([[*thoughts, "</think>", "Hello there."]], seconds=0.3)
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=400)) as chat:
        await chat.say("@Olivia hi")
        (taken,) = chat.heard.of(ReplyWithdrawn)
        at = chat.heard.events.index(taken)
        later = [e for e in chat.heard.events[at:] if isinstance(e, AudioReady) and e.pcm]
        assert {event.index for event in later} == {taken.until}
        assert sum(len(event.pcm) for event in later) == 2 * 24_000 * 0.4 * 2
        assert chat.heard.of(TurnFinished)
        (_, reply) = await chat.store.recent_messages("c")
        assert (reply.content, reply.heard, reply.interrupted) == ("Hello there.", None, False)


async def test_of_a_reply_that_took_thoughts_back_only_its_own_words_were_heard() -> None:
    thoughts = [f"This is thought number {number}. " for number in range(4)]
    answer = ["Hello there. ", "How are you today, ", "my old friend?"]
    llm = Scripted([[*thoughts, "</think>", *answer]], seconds=0.3)
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=400)) as chat:
        await chat.begin("@Olivia hi")
        taken = await chat.until(ReplyWithdrawn)
        while chat.heard.of(AudioReady)[-1].index <= taken.until:
            await chat.heard.more.wait()
        await anyio.sleep(1.2)
        chat.bus.interrupt(Interrupted(taken.turn))
        await chat.bus.settled()
        (_, reply) = await chat.store.recent_messages("c")
        assert reply.interrupted
        assert reply.heard.startswith("Hello there. How")
        assert "friend" not in reply.heard


async def test_only_what_this_round_wrote_is_withdrawn() -> None:
    rounds = [
        ["Let me look.", '<tool_call>{"name": "clock", "arguments": {}}', "</tool_call>"],
        ["It is noon, they ", "say.\n</think>", "Noon."],
    ]
    llm = Scripted(rounds)
    store = await a_store(["Olivia"])
    await store.change_character("olivia", {"extensions": {"tools": ["clock"]}})
    async with a_chat(llm=llm, storage=store) as chat:
        await chat.say("What time is it?")
        (used,) = chat.heard.of(ToolUsed)
        assert (used.name, used.failed) == ("clock", False)
        assert chat.heard.of(ReplyFinished)[0].text == "Let me look. Noon."
        assert (await chat.said())[-1] == ("Olivia", "Let me look. Noon.")
        assert [one.role for one in llm.asked[1].messages][-2:] == ["assistant", "tool"]


async def noon() -> str:
    """Tell the time."""
    return "Noon."


class Shelf:
    """A plug-in with a tool."""

    @hookimpl
    def tools(self) -> list[Tool]:
        return [tool(noon)]


async def test_a_call_as_text_is_made_and_never_read_out() -> None:
    llm = Scripted([['```json\n{"name": "noon", ', '"arguments": {}}\n```'], ["It is noon."]])
    store = await a_store(["Olivia"])
    await store.change_character("olivia", {"extensions": {"tools": ["noon"]}})
    async with a_chat(llm=llm, storage=store, extra=[Shelf()]) as chat:
        await chat.say("What time is it?")
        assert [event.name for event in chat.heard.of(ToolUsed)] == ["noon"]
        assert "".join(clause.shown for clause in chat.heard.of(ReplyClause)) == "It is noon."


async def test_a_run_on_into_the_users_turn_ends_the_reply() -> None:
    pieces = ["Hello.<|im", "_end|>\n<|im_start|>", "user\nHow are you?<|im_end|>", "more"]
    async with a_chat(llm=Scripted([pieces])) as chat:
        await chat.say("@Olivia hi")
        assert (await chat.said())[-1] == ("Olivia", "Hello.")


async def test_the_first_word_of_a_reply_comes_when_the_model_writes_it() -> None:
    async with a_chat(llm=Scripted([["Well", ", hello", " there."]], seconds=0.1)) as chat:
        began = chat.bus.clock.now()
        await chat.begin("@Olivia hi")
        await chat.until(ReplyClause)
        assert chat.bus.clock.now() - began == pytest.approx(0.3, abs=0.02)
