"""Characters use tools while they write: never too early, never for ever, and for all to see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from attrs import define, field

from aichat.core import Prompt, PromptMessage, Tool, ToolCall, Usage, hookimpl, tool
from aichat.core.events import (
    HandlerFailed,
    Interrupted,
    LineFinished,
    PromptSent,
    ReplyClause,
    ReplyFinished,
    ReplyUsage,
    SpeakersChosen,
    ToolUsed,
    UserSaid,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.stages.answering.tool_calls import CALLS, ROUNDS, tools_of
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio

Rounds = list[list[str | ToolCall | Usage]]


@define
class Scripted:
    """Writes one round after the other; of the last one as often as it is asked."""

    rounds: Rounds
    asked: list[Prompt] = field(factory=list)

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | ToolCall | Usage]:
        here = min(len(self.asked), len(self.rounds) - 1)
        self.asked.append(prompt)
        for piece in self.rounds[here]:
            await anyio.sleep(0.01)
            yield piece


async def weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    return f"{city}: {days} day(s) of rain"


async def broken() -> str:
    """Fail."""
    raise RuntimeError("private details")


async def endless() -> str:
    """Never answer."""
    await anyio.sleep_forever()
    return ""


class Shed:
    """A plug-in with tools."""

    @hookimpl
    def tools(self) -> list[Tool]:
        return [tool(weather), tool(broken), tool(endless, seconds=2)]


async def a_handy_store(names: object = ("weather", "broken", "endless")) -> MemoryStorage:
    store = await a_store(["Olivia", "Mark"])
    await store.change_character("olivia", {"extensions": {"tools": names}})
    return store


def call(name: str = "weather", arguments: str = '{"city": "Bristol"}', id: str = "1") -> ToolCall:
    return ToolCall(id, name, arguments)


async def said_with(rounds: Rounds, check: Callable[[Chat, Scripted], Any], **more: Any) -> None:
    llm = Scripted(rounds)
    store = await a_handy_store()
    async with a_chat(llm=llm, storage=store, extra=[Shed()], **more) as chat:
        await chat.say("@Olivia hi")
        check(chat, llm)


async def test_a_tool_is_called_and_the_model_writes_on() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        (used,) = chat.heard.of(ToolUsed)
        assert used == ToolUsed(
            used.line, "weather", {"city": "Bristol", "days": 2}, "Bristol: 2 day(s) of rain"
        )
        first, second = llm.asked
        assert [tool.name for tool in first.tools] == ["broken", "endless", "weather"]
        assert second.messages[:-2] == first.messages
        assert second.messages[-2:] == (
            PromptMessage("assistant", "Let me look. ", calls=(asked,)),
            PromptMessage("tool", "Bristol: 2 day(s) of rain", "weather", call_id="1"),
        )
        assert chat.heard.of(ReplyFinished)[0].text == "Let me look. Rain, I fear."
        shown = [clause.shown for clause in chat.heard.of(ReplyClause)]
        assert shown == ["Let me look. ", "Rain, I fear."]
        assert [event.prompt for event in chat.heard.of(PromptSent)] == llm.asked

    asked = call(arguments='{"city": "Bristol", "days": 2.0}')
    await said_with([["Let me look.", asked], ["Rain, I fear."]], check)


async def test_what_was_written_before_a_call_is_spoken_while_the_tool_works() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        order = [type(e) for e in chat.heard.events if isinstance(e, ReplyClause | ToolUsed)]
        assert order == [ReplyClause, ToolUsed, ReplyClause]

    await said_with([["Hm", call()], ["Rain."]], check)


async def test_calls_at_once_run_side_by_side_and_are_told_in_their_order() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        told = [m for m in llm.asked[1].messages if m.role == "tool"]
        assert [message.call_id for message in told] == ["a", "b", "c"]
        assert "did not answer within 2 seconds" in told[0].content
        assert [event.name for event in chat.heard.of(ToolUsed)] == [
            "weather",
            "weather",
            "endless",
        ]

    calls = [call("endless", "", "a"), call(id="b"), call(id="c")]
    await said_with([[*calls], ["Well."]], check)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("telephone"), "There is no tool 'telephone'. There are: broken, endless, weather."),
        (call(arguments="{"), "The arguments of weather are not JSON. Write an object."),
        (call(arguments="{}"), "arguments.city is missing"),
        (call(arguments='{"city": "X", "days": "two"}'), "arguments.days must be of the type"),
        (call(arguments='{"city": "X", "mayor": 1}'), "have no 'mayor', only city, days"),
        (call(arguments='{"city": "a\\ud800"}'), "cannot be stored"),
        (call("endless", ""), "did not answer within 2 seconds"),
    ],
)
async def test_a_call_that_cannot_be_is_told_to_the_model_alone(asked: ToolCall, told: str) -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        (used,) = chat.heard.of(ToolUsed)
        assert used.failed
        assert told in used.result
        assert llm.asked[1].messages[-1].content == used.result
        assert chat.heard.of(ReplyFinished)[0].text == "So be it."

    await said_with([[asked], ["So be it."]], check)


async def test_a_tool_that_breaks_is_told_to_the_user_as_well() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        (used,) = chat.heard.of(ToolUsed)
        assert (used.failed, used.result) == (True, "The tool broke (RuntimeError).")
        (failed,) = chat.heard.of(HandlerFailed)
        assert str(failed.error) == "private details"

    await said_with([[call("broken", "")], ["Oh."]], check, failures=True)


async def test_a_model_that_asks_for_ever_gets_no_more_tools() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        assert len(llm.asked) == ROUNDS + 1
        assert len(chat.heard.of(ToolUsed)) == ROUNDS
        assert [prompt.must_answer for prompt in llm.asked] == [False] * ROUNDS + [True]
        assert chat.heard.of(ReplyFinished)[0].text.split() == ["Again."] * (ROUNDS + 1)

    await said_with([["Again.", call()]], check)


async def test_too_many_calls_at_once_are_refused() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        failed = [event.failed for event in chat.heard.of(ToolUsed)]
        assert (failed.count(False), failed.count(True)) == (CALLS, 2)

    await said_with([[call(id=str(n)) for n in range(CALLS + 2)], ["Done."]], check)


async def test_what_all_rounds_took_is_told_once() -> None:
    def check(chat: Chat, llm: Scripted) -> None:
        (took,) = chat.heard.of(ReplyUsage)
        assert took == ReplyUsage(took.line, "m", 30, 7, 0.5)

    first, second = Usage("m", 10, 3, 0.5), Usage("m", 20, 4)
    await said_with([[call(), first], ["Rain.", second]], check)


async def test_who_has_no_tools_is_offered_none() -> None:
    llm = Scripted([["Hello."]])
    async with a_chat(llm=llm, storage=await a_handy_store(), extra=[Shed()]) as chat:
        await chat.say("@Mark hi")
        assert llm.asked[0].tools == ()


@pytest.mark.parametrize("named", [None, "weather", {"weather": True}, [1, None], ["unknown"]])
async def test_odd_lists_of_tools_are_none(named: object) -> None:
    store = await a_handy_store(named)
    assert tools_of(await store.character("olivia"), {"weather": tool(weather)}) == ()


async def test_an_interruption_ends_a_call() -> None:
    llm = Scripted([["Wait.", call("endless", "")], ["Never said."]])
    async with a_chat(llm=llm, storage=await a_handy_store(), extra=[Shed()]) as chat:
        await chat.begin("@Olivia hi")
        clause = await chat.until(ReplyClause)
        await anyio.sleep(1)
        chat.bus.interrupt(Interrupted(clause.turn))
        await chat.bus.settled()
        assert not chat.heard.of(ToolUsed)
        assert len(llm.asked) == 1


async def test_nothing_is_called_before_the_turn_is_certain() -> None:
    llm = Scripted([["Let me look.", call()], ["Rain."]])
    async with a_chat(llm=llm, storage=await a_handy_store(), extra=[Shed()]) as chat:
        turn = chat.bus.speculative_turn("c")
        await chat.bus.publish(UserSaid(turn, "@Olivia hi", "voice", "m1"))
        await anyio.sleep(5)
        assert (len(llm.asked), chat.heard.of(ToolUsed)) == (1, [])
        assert chat.bus.commit(turn)
        await chat.until(LineFinished)
        assert [event.name for event in chat.heard.of(ToolUsed)] == ["weather"]
        kinds = [type(event) for event in chat.heard.events]
        assert kinds.index(SpeakersChosen) < kinds.index(ToolUsed)


async def test_a_turn_that_never_was_calls_nothing() -> None:
    llm = Scripted([["Let me look.", call()], ["Rain."]])
    async with a_chat(llm=llm, storage=await a_handy_store(), extra=[Shed()]) as chat:
        turn = chat.bus.speculative_turn("c")
        await chat.bus.publish(UserSaid(turn, "@Olivia hi", "voice", "m1"))
        await anyio.sleep(5)
        assert chat.bus.revoke(turn)
        await chat.bus.settled()
        assert chat.heard.of(ToolUsed) == []
        assert len(llm.asked) == 1
