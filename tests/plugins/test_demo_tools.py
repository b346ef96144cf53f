"""The script uses tools, so that one sees it without a language model."""

import pytest
from attrs import evolve

from aichat.core import Character, Prompt, PromptMessage, ToolCall, load_plugins
from aichat.core.plugins import _tools
from aichat.core.testing.llm_contract import whole
from aichat.plugins.demo import Demo
from aichat.plugins.demo.tool_use import wanted

pytestmark = pytest.mark.anyio

ZOE = Character("z", "Zoë", "You are calm.")
TOOLS = tuple(_tools(load_plugins()).values())


def said(text, *more, tools=TOOLS):
    return Prompt(ZOE, (ZOE,), (PromptMessage("user", text), *more), tools=tools)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("What's the time?", "clock", "{}"),
        ("zoe, what time is it please", "clock", "{}"),
        ("Which day is it?", "clock", "{}"),
        ("Roll 2d6+1 for me", "dice", '{"dice": "2d6+1"}'),
        ("please roll a die", "dice", '{"dice": "1d6"}'),
        ("Throw two dice!", "dice", '{"dice": "2d6"}'),
        ("roll 3 dice", "dice", '{"dice": "3d6"}'),
    ],
)
def test_it_asks_for_the_tool_that_the_words_want(text, name, arguments):
    call = wanted(said(text), text)
    assert (call.name, call.arguments) == (name, arguments)
    assert wanted(said(text, tools=()), text) is None


@pytest.mark.parametrize("text", ["I had a great time", "the die is cast", "rolling in dough", ""])
def test_other_words_want_none(text):
    assert wanted(said(text), text) is None


async def test_it_calls_and_then_tells_what_came_of_it():
    prompt = said("Roll 2d6, please")
    (call,) = [piece async for piece in Demo(500).reply(prompt)]
    assert isinstance(call, ToolCall)
    asked = PromptMessage("assistant", "", calls=(call,))
    for result, words in (
        ("2d6: 3 + 5 = 8", "I rolled 2d6, and it came to 8."),
        ("There are no dice. Buy some.", "That did not work. There are no dice. Buy some."),
    ):
        gave = PromptMessage("tool", result, "dice", call_id=call.id)
        again = evolve(prompt, messages=(*prompt.messages, asked, gave))
        assert await whole(Demo(500), again) == words
