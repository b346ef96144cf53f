"""POST /api/messages/ID/regenerate, /play, /say-rest and /restore."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from aichat.core.testing.fakes import FakeLlm
from support.in_process_server import Server, a_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(llm=FakeLlm("Yes.")) as server:
        yield server


@pytest.fixture
def said(api: httpx.Client) -> list[str]:
    """The ids of three messages of a conversation: a question, its answer, and thanks."""
    talk = api.post("/conversations", json={"active_characters": ["olivia"]}).json()
    texts = [("user", "Tea?"), ("assistant", "No."), ("user", "Thanks.")]
    bodies = [
        {
            "conversation_id": talk["conversation_id"], "role": role, "content": text,
            "character_id": "olivia" if role == "assistant" else None,
        }
        for role, text in texts
    ]  # fmt: skip
    return [one["message_id"] for one in api.post("/messages/batch", json=bodies).json()]


def written(api: httpx.Client, id: str) -> None:
    while api.get(f"/messages/{id}").json()["content"] != "Yes.":
        pass


def test_a_message_is_regenerated_and_what_follows_stays(
    api: httpx.Client, said: list[str]
) -> None:
    answer = api.post(f"/messages/{said[1]}/regenerate")
    assert answer.status_code == 202
    assert answer.json() == {"turn_id": answer.json()["turn_id"], "deleted": [], "undo_seconds": 0}
    written(api, said[1])
    assert api.get(f"/messages/{said[2]}").status_code == 200
    assert api.get(f"/messages/{said[1]}").json()["turn_id"] == answer.json()["turn_id"]


def test_from_here_takes_away_what_follows_until_it_is_restored(
    api: httpx.Client, said: list[str]
) -> None:
    told = api.post(f"/messages/{said[1]}/regenerate", params={"from_here": True}).json()
    assert (told["deleted"], told["undo_seconds"] > 0) == ([said[2]], True)
    written(api, said[1])
    back = api.post(f"/messages/{said[2]}/restore")
    assert (back.status_code, [one["message_id"] for one in back.json()]) == (200, [said[2]])
    assert api.post(f"/messages/{said[2]}/restore").status_code == 404


def test_what_the_user_said_is_answered_anew(api: httpx.Client, said: list[str]) -> None:
    told = api.post(f"/messages/{said[0]}/regenerate", params={"from_here": True}).json()
    assert told["deleted"] == said
    home = api.get(f"/messages/{said[0]}").json()["conversation_id"]
    anew: list[tuple[str, str]] = []
    while len(anew) < 2:
        stored = api.get("/messages", params={"conversation_id": home}).json()
        anew = [(m["role"], m["content"]) for m in stored if m["turn_id"] == told["turn_id"]]
    assert anew == [("user", "Tea?"), ("assistant", "Yes.")]


def test_what_was_deleted_for_good_meanwhile_does_not_come_back(
    api: httpx.Client, said: list[str]
) -> None:
    answer = api.post(f"/messages/{said[1]}/regenerate", params={"from_here": True})
    assert answer.json()["deleted"] == [said[2]]
    assert api.delete(f"/messages/{said[2]}").status_code == 200
    back = api.post(f"/messages/{said[2]}/restore")
    assert (back.status_code, back.json()) == (200, [])


def test_a_message_is_played_again_and_said_to_its_end(api: httpx.Client, said: list[str]) -> None:
    answer = api.post(f"/messages/{said[1]}/play", params={"start": 1, "new_take": True})
    assert (answer.status_code, bool(answer.json()["turn_id"])) == (202, True)
    assert api.post(f"/messages/{said[1]}/say-rest").status_code == 409, "it was heard whole"
    body = {**api.get(f"/messages/{said[1]}").json(), "interrupted": True, "heard": "N"}
    for name in ("message_id", "created_at"):
        del body[name]
    cut = api.post("/messages", json=body).json()["message_id"]
    assert api.post(f"/messages/{cut}/say-rest").status_code == 202


def test_nobody_says_what_a_user_wrote(api: httpx.Client, said: list[str]) -> None:
    for what in ("regenerate", "play", "say-rest"):
        answer = api.post(f"/messages/{said[0]}/{what}")
        assert (answer.status_code, answer.json()["status_code"]) == (409, 409)
    assert api.post("/messages/nobody/play").status_code == 404
