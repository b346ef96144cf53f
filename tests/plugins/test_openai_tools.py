"""A whole turn with tools: a model behind a server asks for the clock and the dice of aichat."""

import pytest

from aichat.core.events import ReplyFinished, ReplyUsage, ToolUsed
from aichat.core.testing.fakes import FakeTts
from aichat.plugins.openai import OpenAiLlm
from support.chat import a_chat, a_store
from support.fake_openrouter import open_fake

pytestmark = pytest.mark.anyio


async def test_a_model_behind_a_server_uses_the_tools_of_plug_ins():
    store = await a_store(["Olivia"])
    handy = {"extensions": {"tools": ["clock", "dice"]}, "model": "tools"}
    await store.change_character("olivia", handy)
    async with (
        open_fake() as fake,
        OpenAiLlm("good", base_url=fake.url) as llm,
        a_chat(llm=llm, storage=store, tts=FakeTts(ms_per_word=20)) as chat,
    ):
        fake.words = "There."
        await chat.say("What time is it? And roll a die!")
        used = {event.name: event for event in chat.heard.of(ToolUsed)}
        assert (used["clock"].arguments, used["dice"].arguments) == ({}, {"dice": "d6"})
        assert "UTC" in used["clock"].result
        assert used["dice"].result.startswith("1d6: ")
        (took,) = chat.heard.of(ReplyUsage)
        assert took == ReplyUsage(took.line, "m", 6, 10, 0.00024)
        (said,) = chat.heard.of(ReplyFinished)
        assert said.text.strip() == "Let me look. There."
        told = fake.requests[1].body["messages"][-2:]
        assert [one["content"] for one in told] == [used["clock"].result, used["dice"].result]
        *_, message = await store.recent_messages("c")
        assert message.extensions["usage"]["cost"] == 0.00024
        kept = {one["name"]: one["result"] for one in message.extensions["tools"]}
        assert kept == {name: event.result for name, event in used.items()}
