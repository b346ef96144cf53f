"""A server that is killed in the middle of a reply has lost a clause of it at most."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets import ConnectionClosed

from support.in_process_server import Client
from support.remote_stores import FAR, FarStore, a_far_store
from support.subprocess_server import TEXT, Process, a_process

WORD_SAMPLES = 2_400
"""The voice takes 100 ms for each word."""
CLAUSE_WORDS = 11
"""No sentence of the reply has more."""


def until_killed(process: Process, client: Client, seconds: float) -> None:
    """Listen for some seconds, kill the server, and read what was sent until then."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            client.receive(left)
        except TimeoutError:
            break
    process.stop(signal.SIGKILL)
    try:
        while True:
            client.receive()
    except ConnectionClosed:
        return


def sent_text(client: Client, message_id: str) -> str:
    chunks = [one for one in client.of("text_chunk") if one["message_id"] == message_id]
    return "".join(chunk["text"] for chunk in chunks)


def sent_words(client: Client, place: int) -> int:
    """How many words the audio holds that was sent of a line."""
    chunks = [one for one in client.of("audio_chunk") if one["sequence_number"] == place]
    size = sum(len(base64.b64decode(chunk["audio_data"])) for chunk in chunks)
    return size // 2 // WORD_SAMPLES


@pytest.fixture(params=["sqlite", *FAR])
def far(request: pytest.FixtureRequest) -> Iterator[FarStore | None]:
    if request.param == "sqlite":
        yield None
        return
    with a_far_store(request.param) as store:
        yield store


@pytest.mark.parametrize("seconds", [0.0, 0.7, 2.5])
def test_what_was_sent_is_in_the_store_but_for_a_clause(
    seconds: float, far: FarStore | None, tmp_path: Path
) -> None:
    with a_process("steady", tmp_path, far) as process, process.client() as client:
        conversation = client.until("ready")["conversation_id"]
        client.send("text_message", text="Tell me everything.")
        client.until("audio_chunk")
        until_killed(process, client, seconds)
        said, *replies = process.stored(conversation)
    assert (said["role"], said["content"]) == ("user", "Tell me everything.")
    lines = client.of("turn_started")[0]["lines"]
    written = [line for line in lines if sent_text(client, line["message_id"]).strip()]
    assert [m["message_id"] for m in replies] == [line["message_id"] for line in written][
        : len(replies)
    ]
    for line, message in zip(written, replies, strict=False):
        text = sent_text(client, line["message_id"])
        assert message["interrupted"]
        assert text.startswith(message["content"])
        missing = text[len(message["content"]) :]
        assert missing.count(".") <= 1, (message["content"], text)
        assert message["content"].startswith(message["heard"])
        heard, words = len(message["heard"].split()), sent_words(client, line["sequence_number"])
        assert words - CLAUSE_WORDS <= heard <= words + 1, (message["heard"], words)
    for line in written[len(replies) :]:  # it was its first clause
        assert sent_text(client, line["message_id"]).count(".") <= 1


def test_after_a_new_start_the_line_is_there_once_and_can_be_said_after_all(
    far: FarStore | None, tmp_path: Path
) -> None:
    with a_process("steady", tmp_path, far) as process, process.client() as client:
        conversation = client.until("ready")["conversation_id"]
        client.send("text_message", text="hi")
        client.until("audio_chunk")
        until_killed(process, client, 1.0)
    with a_process("steady", tmp_path, far) as process:
        url = f"http://127.0.0.1:{process.port}"
        query = f"conversation_id={conversation}"
        found = httpx.get(f"{url}/api/messages?{query}", trust_env=False).json()
        assert [m["role"] for m in found[:2]] == ["user", "assistant"]
        reply = found[1]
        assert reply["interrupted"]
        assert TEXT.startswith(reply["content"])
        page = httpx.get(f"{url}/c/{conversation}", trust_env=False).text
        assert page.count(f'id="m-{reply["message_id"]}"') == 1
        with process.client(query) as client:
            client.until("ready")
            client.send("say_rest", message_id=reply["message_id"])
            client.until("audio_chunk")
            rest = client.of("turn_started")[0]["lines"][0]
            assert rest["message_id"] != reply["message_id"]
        again = httpx.get(f"{url}/api/messages?{query}", trust_env=False).json()
        assert len({m["message_id"] for m in again}) == len(again) >= len(found)
        assert again[: len(found)] == found
