"""What is changed over REST reaches those who are in the conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from server import Client, Server, a_server
from websockets.exceptions import ConnectionClosed

from aichat.core.testing.fakes import FakeLlm


@pytest.fixture
def llm() -> FakeLlm:
    return FakeLlm("Yes.")


@pytest.fixture
def server(llm: FakeLlm) -> Iterator[Server]:
    with a_server(llm=llm) as server:
        yield server


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False) as client:
        yield client


def a_conversation(api: httpx.Client, *cast: str) -> str:
    answer = api.post("/conversations", json={"active_characters": list(cast)})
    return str(answer.json()["conversation_id"])


def names(event: dict[str, Any]) -> list[str]:
    return [who["name"] for who in event["characters"]]


def said(client: Client, text: str) -> list[str]:
    """Say something, and return who answers."""
    client.send("text_message", text=text)
    speakers: list[str] = client.until("turn_started")["speakers"]
    for _ in speakers:
        client.until("turn_complete")
    return speakers


def test_a_new_cast_is_shown_at_once_and_answers_the_next_turn(
    server: Server, api: httpx.Client
) -> None:
    id = a_conversation(api, "olivia")
    with (
        server.client(f"conversation_id={id}") as program,
        server.client(f"conversation_id={id}&view=html", max_queue=None) as page,
    ):
        assert names(program.until("ready")) == ["Olivia"]
        page.until("ready")
        assert said(program, "Hello") == ["olivia"]
        api.put(f"/conversations/{id}/characters", json=["rosa", "mark"])
        assert names(program.until("cast")) == ["Rosa", "Mark"]
        page.until("cast")
        html = page.until("html")["html"]
        assert 'id="cast-rosa"' in html
        assert "cast-olivia" not in html
        assert said(program, "Hello again") == ["rosa", "mark"]
        api.post(f"/conversations/{id}/characters/olivia")
        assert names(program.until("cast")) == ["Rosa", "Mark", "Olivia"]
        api.delete(f"/conversations/{id}/characters/rosa")
        assert names(program.until("cast")) == ["Mark", "Olivia"]


def test_a_new_title_and_a_changed_character_are_shown(server: Server, api: httpx.Client) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}") as client:
        client.until("ready")
        api.put(f"/conversations/{id}", json={"title": "Tea & cake"})
        assert client.until("cast")["title"] == "Tea & cake"
        api.put("/characters/olivia", json={"name": "Olive"})
        assert names(client.until("cast")) == ["Olive"]
        api.put("/characters/rosa", json={"name": "Rose"})  # is not in it
        api.delete("/characters/olivia")
        assert names(client.until("cast")) == []


def test_changed_settings_hold_from_the_next_turn_on(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}") as client:
        client.until("ready")
        said(client, "Hello")
        api.put(f"/conversations/{id}", json={"settings": {"temperature": 0.25}})
        said(client, "Hello again")
    assert [prompt.settings for prompt in llm.asked] == [{}, {"temperature": 0.25}]


def test_a_message_from_outside_is_shown_and_the_models_read_it(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}&view=html", max_queue=None) as page:
        page.until("ready")
        said(page, "Hello")
        added = [
            {"conversation_id": id, "role": "system", "content": "It begins to *rain*."},
            {"conversation_id": id, "role": "assistant", "content": "Hi.", "character_id": "mark"},
            {"conversation_id": id, "role": "assistant", "content": "Boo."},
        ]
        api.post("/messages/batch", json=added)
        assert "<em>rain</em>" in page.until("html")["html"]
        assert 'data-character="mark"' in page.until("html")["html"]
        said(page, "And now?")
    told = [message.content for message in llm.asked[-1].messages]
    assert "It begins to *rain*." in told
    assert "Mark: Hi." in told
    assert "Somebody: Boo." in told
    kept = api.get("/messages", params={"conversation_id": id}).json()
    assert [one["role"] for one in kept].count("system") == 1


def test_who_is_in_a_deleted_conversation_is_told_and_let_go(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    llm.text, llm.seconds = "One " * 200, 0.05
    id = a_conversation(api, "olivia")
    with (
        server.client(f"conversation_id={id}") as one,
        server.client(f"conversation_id={id}", max_queue=None) as other,
    ):
        for client in (one, other):
            client.until("ready")
        one.send("text_message", text="Hello")
        one.until("text_chunk")
        assert api.delete(f"/conversations/{id}").status_code == 200
        for client in (one, other):
            error = client.until("error")
            assert error["code"] == "conversation_not_found"
            assert error["message"].startswith("This conversation was deleted.")
            with pytest.raises(ConnectionClosed) as closed:
                client.until_quiet(5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4404
    with server.client(f"conversation_id={id}") as late:
        assert late.until("error")["code"] == "conversation_not_found"
