"""How often people may begin something, over one socket, several, and REST."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
import attrs
import httpx
import pytest

from aichat.core import Conversation, WebConfig
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeTts
from aichat.web.access.turn_limits import PER_CONVERSATION, Allowance, Pace, Paces, RateLimited
from support.chat import AT_EASE, CAST, a_store
from support.in_process_server import Client, Server, a_server
from support.waiting import soon

ONE_A_SECOND: WebConfig = attrs.evolve(AT_EASE, max_turns_per_s=1)
AT_ONCE = 10


async def a_store_of_many() -> MemoryStorage:
    store = await a_store()
    for id in ("d", "e", "f", "g"):
        cast = [name.lower() for name in CAST]
        await store.add_conversation(Conversation(id, active_characters=cast))
    return store


@pytest.fixture(autouse=True)
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No allowance grows while a test sends, however slow the machine is."""
    by = Paces.by
    monkeypatch.setattr(Paces, "by", lambda web, now: by(web, lambda: 0.0))


@pytest.fixture
def server() -> Iterator[Server]:
    with a_server(ONE_A_SECOND, storage=anyio.run(a_store_of_many)) as server:
        yield server


def typed(client: Client, count: int, text: str = "hm {}") -> None:
    for n in range(count):
        client.send("text_message", text=text.format(n))


def alive(client: Client) -> None:
    client.send("ping", t=1)
    client.until("pong", 60)


def stored(server: Server, conversation: str = "c") -> list[str]:
    found = anyio.run(server.store.messages, conversation, 20_000)
    return [message.content for message in found if message.role == "user"]


def test_of_ten_thousand_messages_at_once_few_are_taken_and_the_rest_does_nothing(
    server: Server,
) -> None:
    with server.client() as client:
        client.until("ready")
        client.send("settings", strategy="manual")
        frames = (json.dumps({"type": "text_message", "text": f"hm {n}"}) for n in range(10_000))
        for frame in frames:
            client.connection.send(frame)
        alive(client)
        errors = client.of("error")
        assert errors
        assert {(e["code"], e["retryable"]) for e in errors} == {("rate_limited", True)}
        assert "Wait 1 s, then send it again." in errors[0]["message"]
        soon(lambda: stored(server) == [f"hm {n}" for n in range(AT_ONCE)])


def test_what_is_refused_interrupts_nobody() -> None:
    slow = FakeTts(ms_per_word=2_000)
    with a_server(ONE_A_SECOND, tts=slow) as server, server.client() as client:
        typed(client, AT_ONCE - 1)
        client.send("text_message", text="@Mark hi")
        while client.until("turn_started")["speakers"] != ["mark"]:
            pass
        client.until("audio_chunk")
        before = len(client.of("interrupted"))
        typed(client, 1)
        assert client.until("error")["code"] == "rate_limited"
        alive(client)
        assert len(client.of("interrupted")) == before
        client.send("interrupt")
        client.until("interrupted")


def test_several_sockets_of_a_conversation_share_what_it_may_begin(server: Server) -> None:
    with server.client() as one, server.client() as two, server.client() as three:
        for client in (one, two, three):
            client.until("ready")
            client.send("settings", strategy="manual")
            typed(client, AT_ONCE)
        for client in (one, two, three):
            alive(client)
        refused = [len(client.of("error")) for client in (one, two, three)]
        assert sum(refused) == 3 * AT_ONCE - PER_CONVERSATION * AT_ONCE
        soon(lambda: len(stored(server)) == PER_CONVERSATION * AT_ONCE)


def test_coming_again_and_again_does_not_help() -> None:
    web = attrs.evolve(ONE_A_SECOND, max_sockets=2)
    with a_server(web, storage=anyio.run(a_store_of_many)) as server:
        taken = 0
        for conversation in "cdefg":
            with server.client(f"conversation_id={conversation}") as client:
                client.until("ready")
                client.send("settings", strategy="manual")
                typed(client, AT_ONCE)
                alive(client)
            taken += AT_ONCE - len(client.of("error"))
        assert taken == 2 * AT_ONCE


FRAMES = [
    {"type": "interrupt"},
    {"type": "interrupt", "character_id": "mark"},
    {"type": "end_of_speech"},
    {"type": "start_of_speech"},
    {"type": "settings", "temperature": 0.5},
    {"type": "draft", "text": "Mark, are you"},
]
TURNS = [
    {"type": "ask"},
    {"type": "ask", "character_ids": ["mark"]},
    {"type": "play_again", "message_id": "m"},
    {"type": "play_again", "message_id": "m", "word": 3},
    {"type": "regenerate", "message_id": "m"},
    {"type": "say_rest", "message_id": "m"},
]


@pytest.mark.parametrize("frame", TURNS + FRAMES, ids=lambda frame: "-".join(frame))
def test_every_frame_that_begins_work_is_counted(frame: dict[str, object]) -> None:
    with a_server(ONE_A_SECOND) as server, server.client() as client:
        client.until("ready")
        for _ in range(400):
            client.connection.send(json.dumps(frame))
        alive(client)
        assert "rate_limited" in {error["code"] for error in client.of("error")}


def test_positions_of_the_loudspeaker_and_pings_are_not_counted(server: Server) -> None:
    with server.client() as client:
        client.until("ready")
        for n in range(500):
            client.send("playback", turn_id="t", sequence_number=0, played_ms=n)
            client.send("ping", t=n)
        while client.until("pong")["t"] < 499:
            pass
        assert not client.of("error")


def test_turns_over_rest_and_forms_count_with_those_of_the_conversation(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        codes = [
            http.post("/c/c/messages", data={"text": f"hm {n}"}).status_code for n in range(25)
        ]
        assert set(codes[: PER_CONVERSATION * AT_ONCE]) == {303}
        assert codes[-1] == 429
        refused = http.post("/c/c/cast", data={"do": "ask mark"})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        said = anyio.run(server.store.recent_messages, "c", 50)
        mark = next((m for m in said if m.character_id == "mark"), None)
        if mark:
            again = http.post(f"/api/messages/{mark.message_id}/play")
            assert again.status_code == 429
            assert "come too fast" in again.json()["detail"]
        assert http.post("/c/d/messages", data={"text": "hm"}).status_code == 303


def test_new_conversations_count_for_the_client_before_they_are_made() -> None:
    web = attrs.evolve(ONE_A_SECOND, max_sockets=2)
    with (
        a_server(web, storage=anyio.run(a_store)) as server,
        httpx.Client(base_url=server.url, trust_env=False) as http,
    ):
        codes = [
            http.post("/messages", data={"text": f"hm {n}"}).status_code for n in range(3 * AT_ONCE)
        ]
        assert set(codes[: 2 * AT_ONCE]) == {303}
        assert codes[-1] == 429
        made = anyio.run(server.store.conversations, 100)
        assert len(made) == codes.count(303) + 1  # and the one that was there
        assert http.post("/c/c/messages", data={"text": "hm"}).status_code == 429


# -- the buckets ---------------------------------------------------------------------------------


def test_what_one_bucket_refuses_is_taken_from_none() -> None:
    seconds = [0.0]
    pace = Pace("Messages", 1.0, 10, 4, lambda: seconds[0])
    one, two = (pace.connection("c", "192.0.2.7") for _ in range(2))
    for allowance in (one, two):
        for _ in range(AT_ONCE):
            allowance.take()
    third = pace.connection("c", "192.0.2.7")
    for _ in range(50):
        with pytest.raises(RateLimited):
            third.take()
    seconds[0] += 1
    third.take()  # its own were not used up by what was refused
    third.take()
    with pytest.raises(RateLimited):
        third.take()


def test_an_allowance_without_buckets_allows_all() -> None:
    for _ in range(1_000):
        Allowance().take()


def test_a_refusal_says_when_to_try_again() -> None:
    pace = Pace("Messages", 0.1, 10, 4, lambda: 0.0)
    allowance = pace.connection("c", None)
    allowance.take()
    with pytest.raises(RateLimited, match=r"Wait 10 s, then send it again\.") as refused:
        allowance.take()
    assert (refused.value.wait, refused.value.retryable, refused.value.code) == (
        10,
        True,
        "rate_limited",
    )
