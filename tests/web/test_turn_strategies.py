"""A turn-taking strategy that is added in one place is everywhere: pages, REST, /ws, the stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx
import pytest

from aichat.core import Character
from aichat.core.turn_rules import STRATEGIES, TurnContext, TurnStrategy
from support.in_process_server import Server, a_server


def the_last(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    return list(cast[-1:])


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    added = TurnStrategy("last", "The last <one>", "the last in order", the_last)
    monkeypatch.setitem(STRATEGIES, "last", added)


@pytest.fixture
def server() -> Iterator[Server]:
    with a_server() as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def a_conversation(http: httpx.Client, **settings: object) -> str:
    body = {"active_characters": ["olivia", "mark", "rosa"], "settings": settings}
    made = http.post("/api/conversations", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["conversation_id"])


OPTION = "The last &lt;one&gt;</option>"


def test_the_pages_offer_it_and_keep_it(http: httpx.Client) -> None:
    id = a_conversation(http)
    assert f'<option value="last">{OPTION}' in http.get("/settings").text
    assert f'<option value="last">{OPTION}' in http.get(f"/c/{id}").text
    http.post(f"/c/{id}/cast", data={"do": "rules", "strategy": "last"})
    assert f'<option value="last" selected>{OPTION}' in http.get(f"/c/{id}").text
    http.post("/settings", data={"strategy": "last"})
    assert f'<option value="last" selected>{OPTION}' in http.get("/settings").text


def test_rest_accepts_and_describes_it(http: httpx.Client) -> None:
    assert http.put("/api/settings", json={"strategy": "last"}).json()["strategy"] == "last"
    id = a_conversation(http, strategy="last")
    assert http.get(f"/api/conversations/{id}").json()["settings"] == {"strategy": "last"}
    schemas = http.get("/schema/openapi.json").json()["components"]["schemas"]
    for name in ("SettingsChanges", "ConversationSettingsChanges"):
        offered = schemas[name]["properties"]["strategy"]["anyOf"][0]
        assert offered["enum"] == list(STRATEGIES)
        assert "`last`: the last in order" in offered["description"]


def test_the_stage_follows_it(server: Server, http: httpx.Client) -> None:
    id = a_conversation(http)
    with server.client(f"conversation_id={id}") as client:
        client.until("ready")
        client.send("settings", strategy="last")
        client.send("text_message", text="hello")
        assert client.until("turn_started")["speakers"] == ["rosa"]


def test_a_name_that_nobody_knows_is_refused_with_those_that_are_known(http: httpx.Client) -> None:
    answer = http.put("/api/settings", json={"strategy": "loudest", "max_replies": 0})
    assert answer.status_code == 400
    mistakes = {one["field"]: one["message"] for one in answer.json()["extra"]}
    assert mistakes.keys() == {"strategy", "max_replies"}
    assert "'last'" in mistakes["strategy"]
    assert "'loudest'" in mistakes["strategy"]
