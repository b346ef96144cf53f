"""Tools over REST, the WebSocket and the page: what was used is seen by all."""

from __future__ import annotations

import re

import anyio
import httpx

from aichat.core.events import Line, ToolUsed, Turn
from aichat.core.memory_storage import MemoryStorage
from aichat.plugins.demo import Demo
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from support.chat import a_store
from support.in_process_server import a_server


async def _a_handy_store() -> MemoryStorage:
    store = await a_store(["Olivia", "Mark"])
    await store.change_character("mark", {"extensions": {"tools": ["dice"]}})
    return store


def test_a_tool_that_is_used_is_told_and_shown() -> None:
    store = anyio.run(_a_handy_store)
    query = "conversation_id=c&view=html"
    with a_server(llm=Demo(500), storage=store) as server, server.client(query) as client:
        client.send("text_message", text="@Mark roll 2d6+1")
        (line,) = client.until("turn_started")["lines"]
        used = client.until("tool")
        assert (used["name"], used["arguments"]) == ("dice", {"dice": "2d6+1"})
        assert (used["message_id"], used["failed"]) == (line["message_id"], False)
        assert re.fullmatch(r"2d6\+1: \d \+ \d \+ 1 = \d+", used["result"])
        shown = next(
            html for _ in range(10) if "used-tool-name" in (html := client.until("html")["html"])
        )
        assert f'hx-target="#m-{line["message_id"]} .message-text" hx-swap="beforebegin"' in shown
        assert f'<span class="used-tool-name">dice</span> {used["result"]}</p>' in shown
        client.until("turn_complete")
        prompt = httpx.get(f"{server.url}/api/messages/{line['message_id']}/prompt").json()
        assert prompt["messages"][-2]["tool_calls"] == [
            {"name": "dice", "arguments": '{"dice": "2d6+1"}'}
        ]
        assert (prompt["messages"][-1]["role"], prompt["messages"][-1]["name"]) == ("tool", "dice")


def test_what_a_tool_gave_is_shown_as_text() -> None:
    line = Line(Turn("c", 1, "t"), "mark", 0, "m1", "Mark")
    paint = Painter(environment([]))
    shown = paint(ToolUsed(line, "<b>", {}, "<img src=x onerror=alert(1)>" + "y" * 400, True), ())
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "has-failed" in shown
    assert "&lt;img" in shown
    assert "y" * 300 not in shown


def test_tools_are_listed_with_their_plug_in() -> None:
    with a_server() as server:
        clock, dice = httpx.get(f"{server.url}/api/tools", trust_env=False).json()
    assert (clock["name"], clock["plugin"]) == ("clock", "clock")
    assert dice["description"] == "Roll dice, and tell what fell and the sum."
    assert dice["parameters"]["properties"]["dice"]["type"] == "string"
