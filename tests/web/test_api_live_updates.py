"""What is changed over REST reaches those who are in the conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aichat.core.testing.fakes import FakeLlm
from support.in_process_server import Client, Server, a_server, closed_by


@pytest.fixture
def llm() -> FakeLlm:
    return FakeLlm("Yes.")


@pytest.fixture
def server(llm: FakeLlm) -> Iterator[Server]:
    with a_server(llm=llm) as server:
        yield server


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


def test_who_speaks_when_all_that_follows_is_deleted_leaves_nothing_behind(
    server: Server, api: httpx.Client
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}") as client:
        said(client, "Tea?")
        answer = api.get("/messages/last", params={"conversation_id": id}).json()["message_id"]
        client.send("text_message", text="And cake?")
        client.until("audio_chunk")
        path = f"/messages/{answer}/regenerate"
        gone = api.post(path, params={"from_here": True}).json()["deleted"]
        client.until("turn_complete")
        stored = api.get("/messages", params={"conversation_id": id}).json()
        assert [one["content"] for one in stored if one["message_id"] not in gone] == [
            "Tea?",
            "Yes.",
        ]
        assert any(one["content"] == "And cake?" for one in stored), "it can be taken back"


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
    read = "\n\n".join(message.content for message in llm.asked[-1].messages)
    assert "It begins to *rain*." in read
    assert "Mark: Hi." in read
    assert "Somebody: Boo." in read
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
            assert closed_by(client)[0] == 4404
    with server.client(f"conversation_id={id}") as late:
        assert late.until("error")["code"] == "conversation_not_found"


# -- messages that are changed, deleted, said again -------------------------------------------


def latest(api: httpx.Client, id: str, place: int = -1) -> dict[str, Any]:
    messages: list[dict[str, Any]] = api.get(f"/messages?conversation_id={id}").json()
    return messages[place]


def stored(client: Client, api: httpx.Client, id: str, text: str) -> dict[str, Any]:
    """Say something, and return the answer as the store has it."""
    said(client, text)
    while (message := latest(api, id))["role"] != "assistant":
        pass
    return message


def html(client: Client, word: str) -> str:
    """Read on to fragments that hold a word."""
    while word not in (html := client.until("html")["html"]):
        pass
    return str(html)


def test_an_edit_reaches_the_store_the_pages_and_the_next_prompt(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}&view=html", max_queue=None) as page:
        mine = stored(page, api, id, "My name is Bob.") and latest(api, id, 0)
        edited = api.put(f"/messages/{mine['message_id']}", json={"content": "My name is Eve."})
        assert edited.status_code == 200
        assert edited.json()["content"] == "My name is Eve."
        fragment = html(page, "Eve")
        assert f'hx-target="#m-{mine["message_id"]}" hx-swap="outerHTML"' in fragment
        assert latest(api, id, 0)["content"] == "My name is Eve."
        said(page, "Who am I?")
        told = [message.content for message in llm.asked[-1].messages]
        assert "My name is Eve." in told
        assert "My name is Bob." not in told


def test_a_deleted_message_is_gone_everywhere(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}&view=html", max_queue=None) as page:
        mine = stored(page, api, id, "A secret.") and latest(api, id, 0)
        path = f"/messages/{mine['message_id']}"
        assert api.delete(path).json()["success"]
        assert f'hx-target="#m-{mine["message_id"]}" hx-swap="delete"' in html(page, "delete")
        for method in ("GET", "DELETE"):
            assert api.request(method, path).status_code == 404
        assert api.put(path, json={"content": "x"}).status_code == 404
        said(page, "Well?")
        assert not any("secret" in message.content for message in llm.asked[-1].messages)
        assert len(api.get(f"/messages?conversation_id={id}").json()) >= 2


def test_another_version_takes_the_place_and_the_old_one_can_be_chosen(
    server: Server, api: httpx.Client, llm: FakeLlm
) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}&view=html", max_queue=None) as page:
        answer = stored(page, api, id, "Yes or no?")
        path = f"/messages/{answer['message_id']}"
        llm.text = "No."
        page.send("regenerate", message_id=answer["message_id"])
        (line,) = page.until("turn_started")["lines"]
        assert (line["message_id"], line["says"]) == (answer["message_id"], "version")
        page.until("turn_complete")
        while (new := api.get(path).json())["content"] != "No.":
            pass
        assert [one["content"] for one in new["extensions"]["versions"]] == ["Yes.", "No."]
        assert new["created_at"] == answer["created_at"]
        back = api.put(path, json={"version": 0}).json()
        assert (back["content"], back["extensions"]["version"]) == ("Yes.", 0)
        wrong = api.put(path, json={"version": 2})
        assert (wrong.status_code, wrong.json()["extra"][0]["field"]) == (400, "version")


def test_a_message_is_said_again_from_a_word_on(server: Server, api: httpx.Client) -> None:
    id = a_conversation(api, "olivia")
    with server.client(f"conversation_id={id}", max_queue=None) as client:
        answer = stored(client, api, id, "Hi")
        client.send("play_again", message_id=answer["message_id"])
        (line,) = client.until("turn_started")["lines"]
        assert (line["message_id"], line["says"]) == (answer["message_id"], "again")
        assert client.until("audio_chunk")["audio_data"]
        client.until("turn_complete")
        client.send("play_again", message_id=answer["message_id"], word=1, new_take=True)
        client.until("turn_started")
        client.until("turn_complete")
        client.send("play_again", message_id="nothing", word=1)
        assert client.until("error")["code"] == "not_found"
        assert len(api.get(f"/messages?conversation_id={id}").json()) == 2
