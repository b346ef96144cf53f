"""A model that begins as somebody else is asked once more, and nobody sees it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Prompt, ToolCall, Usage
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    HandlerFailed,
    Line,
    LineBegan,
    PromptSent,
    ReplyRetried,
    ReplyText,
    ReplyUsage,
    TurnTimed,
)
from support.chat import Chat, a_chat, a_store

pytestmark = pytest.mark.anyio


@define
class Scripted:
    """Writes the next of *replies* each time, letter by letter; the last one also after that."""

    replies: list[str | ToolCall]
    prefills: bool = False
    asked: list[Prompt] = field(factory=list)

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | ToolCall | Usage]:
        self.asked.append(prompt)
        await anyio.sleep(0.2)
        wanted = self.replies[min(len(self.asked), len(self.replies)) - 1]
        if isinstance(wanted, ToolCall):
            yield wanted
            return
        for letter in wanted:
            yield letter
        yield Usage("small", 7, len(wanted), 0.0)


def shown(chat: Chat) -> str:
    return "".join(piece.text for piece in chat.heard.of(ReplyText))


@pytest.mark.parametrize(
    "prefix", ["Mark: ", "**Mark:** ", "<Mark>", "User: ", "\nMark (smiling): "]
)
async def test_it_is_asked_once_more_and_nobody_sees_it(prefix: str) -> None:
    llm = Scripted([f"{prefix}Hello, all.", "Hello there."])
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        assert shown(chat) == "Hello there."
        assert len(chat.heard.of(ReplyRetried)) == 1
        first, second = llm.asked
        assert first.messages[-1].content == "@Olivia hi"
        assert second.messages[-1].content == (
            "@Olivia hi\n\n(Answer as Olivia, for Olivia alone.)"
        )
        assert [sent.prompt for sent in chat.heard.of(PromptSent)] == llm.asked


async def test_where_the_backend_can_its_reply_is_begun_with_its_own_name() -> None:
    llm = Scripted(["Mark: Hello.", " Hello there."], prefills=True)
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        assert shown(chat) == "Hello there."
        assert [prompt.prefill for prompt in llm.asked] == ["", "Olivia:"]
        assert llm.asked[0].messages == llm.asked[1].messages


async def test_what_it_took_says_so() -> None:
    async with a_chat(llm=Scripted(["Mark: Hello.", "Hello there."])) as chat:
        await chat.say("@Olivia hi")
        (usage,) = chat.heard.of(ReplyUsage)
        assert (usage.retries, usage.reply_tokens) == (1, len("Hello there."))
        assert (await chat.last_message()).extensions["usage"]["retries"] == 1
        marks = dict(chat.heard.of(TurnTimed)[-1].marks)
        assert marks["transcribed"] < marks["asked_again"] < marks["first_text"]


async def test_what_a_usual_reply_took_says_nothing_of_it() -> None:
    async with a_chat(llm=Scripted(["Hello there."])) as chat:
        await chat.say("@Olivia hi")
        assert "retries" not in (await chat.last_message()).extensions["usage"]
        assert "asked_again" not in dict(chat.heard.of(TurnTimed)[-1].marks)


async def test_it_is_asked_no_third_time() -> None:
    llm = Scripted(["Mark: Hello."])
    async with a_chat(llm=llm, failures=True) as chat:
        await chat.say("@Olivia hi")
        assert len(llm.asked) == 2
        assert "Olivia wrote nothing." in str(chat.heard.of(HandlerFailed)[0].error)


async def test_what_was_shown_stays() -> None:
    llm = Scripted(["Hello.\nMark: Hi."])
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        assert len(llm.asked) == 1
        assert shown(chat).strip() == "Hello."


async def test_a_character_that_has_used_a_tool_is_not_asked_again() -> None:
    store = await a_store()
    await store.change_character("olivia", {"extensions": {"tools": ["clock"]}})
    llm = Scripted([ToolCall("1", "clock", {}), "Mark: Hello."])
    async with a_chat(llm=llm, storage=store, failures=True) as chat:
        await chat.say("@Olivia what time is it?")
        assert not chat.heard.of(ReplyRetried)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(
            ["Mark: as-Mark", "Rosa: as-Rosa", "Hello.", "Hello.\nMark: as-Mark", "", "Olivia: Hi."]
        ),
        min_size=1,
        max_size=7,
    )
)
def test_whatever_it_writes_it_is_asked_twice_at_most_and_never_after_something_was_shown(
    replies: list[str],
) -> None:
    async def main() -> None:
        llm = Scripted(list(replies))
        async with a_chat(llm=llm, failures=True) as chat:
            await chat.say("hello, all of you")
            lines = len(chat.heard.of(LineBegan))
            retried = [event.line for event in chat.heard.of(ReplyRetried)]
            assert len(set(retried)) == len(retried)
            assert len(llm.asked) == lines + len(retried)
            said: dict[Line, str] = defaultdict(str)
            for event in chat.heard.events:
                if isinstance(event, ReplyText):
                    said[event.line] += event.text
                elif isinstance(event, ReplyRetried):
                    assert not said[event.line].strip()
            for line, text in said.items():
                assert all(name == line.name for name in re.findall(r"as-(\w+)", text))

    run_virtual(main)
