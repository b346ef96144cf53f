"""``GET /api/messages/{id}/prompt``: what exactly was sent for a message."""

from __future__ import annotations

from typing import Any

import httpx
from attrs import evolve

from aichat.core import Character, Prompt
from aichat.core.events import Line, PromptSent, Turn
from aichat.core.testing.fakes import FakeLlm
from aichat.web.services.prompt_log import KEPT, Prompts
from support.in_process_server import a_server


def as_sent(prompt: Prompt) -> list[dict[str, Any]]:
    return [
        {"role": m.role, "content": m.content, "name": m.name, "tool_calls": []}
        for m in prompt.messages
    ]


def test_what_was_sent_for_a_message_can_be_read() -> None:
    llm = FakeLlm()
    with a_server(llm=llm) as server, server.client() as client:
        client.send("settings", temperature=0.3, stop=["END"])
        client.send("text_message", text="@Olivia @Mark hi")
        lines = client.until("turn_started")["lines"]
        client.until("turn_complete")
        client.until("turn_complete")
        for line, asked in zip(lines, llm.asked, strict=True):
            answer = httpx.get(f"{server.url}/api/messages/{line['message_id']}/prompt")
            assert answer.status_code == 200
            assert answer.json() == {
                "message_id": line["message_id"],
                "character_id": line["character_id"],
                "model": None,
                "temperature": None,
                "settings": {"temperature": 0.3, "stop": ["END"]},
                "messages": as_sent(asked),
            }
        assert "Olivia: Olivia here." in answer.json()["messages"][-1]["content"]


def test_a_prompt_that_is_not_known_is_told_with_a_reason() -> None:
    with a_server() as server:
        answer = httpx.get(f"{server.url}/api/messages/nothing/prompt")
    assert answer.status_code == 404
    assert f"the last {KEPT} since the start are kept" in answer.json()["detail"]


def test_old_prompts_are_forgotten() -> None:
    prompts, olivia = Prompts(), Character("o", "Olivia")
    line, prompt = Line(Turn("c", 1), "o", 0), Prompt(olivia, (olivia,), ())
    for number in range(KEPT + 10):
        prompts.keep(PromptSent(evolve(line, message_id=str(number)), prompt))
    assert list(prompts.by_message) == [str(number) for number in range(10, KEPT + 10)]
