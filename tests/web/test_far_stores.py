"""Conversations whose store is a database elsewhere, while its connection is lost or slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.in_process_server import Client, Server, a_server
from support.remote_stores import FarStore, a_far_store

TEXT = " ".join(f"Here comes sentence number {n}, and it has a second part." for n in range(3))


def lost(far: FarStore) -> Callable[[], None]:
    far.lose()
    return far.mend


def answers_cut(far: FarStore) -> Callable[[], None]:
    """The store does what it is asked to, and its answers break off."""
    assert far.double
    far.double.fault = "cut"
    return far.mend


def silent(far: FarStore) -> Callable[[], None]:
    """The store does what it is asked to, and does not answer."""
    assert far.double
    far.double.fault = "stall"
    return far.mend


def locked(far: FarStore) -> Callable[[], None]:
    """Somebody keeps the table of messages, so that each call waits until its timeout."""
    return far.lock()


FAULTS = [
    ("postgres", lost),
    ("postgres", locked),
    ("supabase", lost),
    ("supabase", locked),
    ("supabase", answers_cut),
    ("supabase", silent),
]


@contextmanager
def two_talks(server: Server) -> Iterator[list[Client]]:
    with (
        server.client("character_ids=olivia-barns-001") as one,
        server.client("character_ids=mark-chen-001") as other,
    ):
        yield [one, other]


def shown(client: Client) -> list[tuple[str, str]]:
    """Id and text of each reply that was shown, in order."""
    texts: dict[str, str] = {}
    for chunk in client.of("text_chunk"):
        texts[chunk["message_id"]] = texts.get(chunk["message_id"], "") + chunk["text"]
    return [(id, text.strip()) for id, text in texts.items()]


def until_stored(far: FarStore, conversation: str, count: int) -> list[dict[str, Any]]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        kept = far.stored(conversation)
        if len(kept) >= count and not any(message["interrupted"] for message in kept):
            return kept
        time.sleep(0.1)
    raise AssertionError(far.stored(conversation))


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_what_was_shown_is_stored_once_and_in_order_after_all(
    kind: str, fault: Callable[[FarStore], Callable[[], None]]
) -> None:
    with a_far_store(kind, seconds=1) as far:
        given = {"storage": far.part}
        llm, voice = FakeLlm(TEXT, seconds=0.01), FakeTts(ms_per_word=60)
        with (
            a_server(llm=llm, tts=voice, storage=None, parts=given) as server,
            two_talks(server) as clients,
        ):
            ids = [client.until("ready")["conversation_id"] for client in clients]
            for client in clients:
                client.send("text_message", text="Tell me everything.")
                client.until("audio_chunk")
            mend = fault(far)
            for client in clients:
                client.until("turn_complete")
                client.send("text_message", text="And once more.")
                client.until("turn_started")  # it is answered if the store can still be read
            about = shown(clients[0])[0][0]
            edit = {"extensions": {"stars": 5}}
            answer = httpx.put(f"{server.url}/api/messages/{about}", json=edit, trust_env=False)
            assert answer.status_code == 503, answer.text
            mend()
            for id, client in zip(ids, clients, strict=True):
                client.until_quiet(2)
                replies = shown(client)
                kept = until_stored(far, id, 2 + len(replies))
                said = [m["content"] for m in kept if m["role"] == "user"]
                assert said == ["Tell me everything.", "And once more."]
                assert [m["role"] for m in kept[:3]] == ["user", "assistant", "user"]
                assert [(m["message_id"], m["content"]) for m in kept[1::2]] == replies
                assert replies[0][1] == TEXT
            answer = httpx.put(f"{server.url}/api/messages/{about}", json=edit, trust_env=False)
            assert answer.status_code == 200, answer.text
            assert far.stored(ids[0])[1]["extensions"] in (edit["extensions"], '{"stars": 5}')
