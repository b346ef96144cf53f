"""A server that is stopped in the middle of a reply keeps what was heard, and ends at once."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import httpx
import pytest
from websockets import ConnectionClosed

from support.fake_hugging_face import a_hub
from support.in_process_server import Client
from support.subprocess_server import Process, a_process

WAYS = [
    ("steady", signal.SIGTERM),
    ("steady", signal.SIGINT),
    ("stuck voice", signal.SIGTERM),
    ("stuck model", signal.SIGINT),
    ("stuck start", signal.SIGTERM),
    ("busy", signal.SIGTERM),
]


def listen(client: Client, seconds: float) -> None:
    """Read what comes, for a while."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            client.receive(left)
        except TimeoutError:
            return


def close_code(client: Client) -> int | None:
    """Read to the end; return the code of the close frame."""
    try:
        while True:
            client.receive()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@pytest.mark.parametrize(("kind", "number"), WAYS)
def test_what_was_heard_is_stored_and_clients_are_let_go(
    kind: str, number: int, tmp_path: Path
) -> None:
    with (
        a_process(kind, tmp_path) as process,
        process.client() as client,
        process.client("list", "/ws/status") as onlooker,
    ):
        conversation = client.until("ready")["conversation_id"]
        client.send("text_message", text="Please tell me everything.")
        client.until("audio_chunk")
        listen(client, 0.8)
        process.stop(number)
        assert close_code(client) == 1012
        assert close_code(onlooker) == 1012
        assert len(client.of("interrupted")) == 1
        said, reply = process.stored(conversation)
        assert (said["role"], said["content"]) == ("user", "Please tell me everything.")
        assert reply["role"] == "assistant"
        assert reply["interrupted"]
        assert reply["heard"]
        assert reply["content"].startswith(reply["heard"])
        assert client.of("text_chunk")[0]["message_id"] == reply["message_id"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_download_goes_on_after_the_next_start_where_it_was_cut_off(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, weights = tmp_path / "data", Random(5).randbytes(1_000_000)
    data.mkdir(mode=0o700)
    with a_hub() as hub:
        hub.add("me/parrot", {"model.bin": weights})
        hub.held.clear()
        for name, value in hub.environment(tmp_path / "hub").items():
            monkeypatch.setenv(name, value)

        def blobs() -> list[Path]:
            return [path for path in (tmp_path / "hub").rglob("blobs/*") if path.stat().st_size]

        with a_process("downloading", data) as process:
            while not blobs():
                time.sleep(0.01)
            process.stop(number)
        (partial,) = blobs()
        assert partial.suffix == ".incomplete"
        assert weights.startswith(partial.read_bytes())
        hub.held.set()
        with a_process("downloading", data):
            while any(path.suffix == ".incomplete" for path in blobs()):
                time.sleep(0.01)
        (whole,) = blobs()
        assert whole.read_bytes() == weights
        assert [part for part in hub.ranges() if part]  # it was not begun anew


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.2])
def test_an_impatient_second_signal_loses_nothing_and_says_nothing(
    pause: float, tmp_path: Path
) -> None:
    with a_process("steady", tmp_path) as process, process.client() as client:
        conversation = client.until("ready")["conversation_id"]
        client.send("text_message", text="Please tell me everything.")
        client.until("audio_chunk")
        listen(client, 0.8)
        process.popen.send_signal(signal.SIGINT)
        time.sleep(pause)
        process.stop(signal.SIGINT)
        assert close_code(client) == 1012
        assert process.popen.returncode == 0
        assert process.stored(conversation)[1]["heard"]
        assert process.popen.stdout
        assert "Traceback" not in process.popen.stdout.read()


@pytest.fixture
def requests(tmp_path: Path) -> Iterator[tuple[Process, list[bytes]]]:
    with a_process("steady", tmp_path) as process:
        host = f"Host: 127.0.0.1:{process.port}\r\n".encode()
        upload = b"content-type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
        upgrade = (
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        yield (
            process,
            [
                b"GET / HTTP/1.1\r\n" + host + b"\r\n",
                b"GET / HTT",
                b"POST /api/voices/upload HTTP/1.1\r\n" + host + upload + b"--x\r\n",
                b"GET /settings/export HTTP/1.1\r\n" + host + b"\r\n",
                b"GET /ws HTTP/1.1\r\n" + host + upgrade,
            ],
        )


def test_requests_that_never_end_do_not_hold_it_up(
    requests: tuple[Process, list[bytes]],
) -> None:
    process, openings = requests
    with ExitStack() as stack:
        for opening in openings:
            connection = socket.create_connection(("127.0.0.1", process.port))
            stack.enter_context(connection).sendall(opening)
        with process.client() as client:
            client.until("ready")
            process.stop(signal.SIGTERM)
            assert close_code(client) == 1012
    assert process.popen.stdout
    assert "Traceback" not in process.popen.stdout.read()


def test_a_message_that_comes_too_late_is_refused_or_stored_but_not_lost(tmp_path: Path) -> None:
    with a_process("steady", tmp_path) as process, process.client() as client:
        conversation = client.until("ready")["conversation_id"]
        process.popen.send_signal(signal.SIGTERM)
        typed = 0
        try:
            while typed < 10_000:
                client.send("text_message", text=f"number {typed}")
                typed += 1
        except ConnectionClosed:
            pass
        process.popen.wait(30)
        # the end of a process that has not read everything may overtake its last frame
        assert close_code(client) in (1012, None)
        shown = {chunk["turn_id"] for chunk in client.of("turn_started")}
        kept = [message for message in process.stored(conversation) if message["role"] == "user"]
        assert shown <= {message["turn_id"] for message in kept}
        numbers = [int(message["content"].split()[1]) for message in kept]
        assert numbers == list(range(len(numbers)))


def test_after_a_new_start_the_reply_is_there_as_it_was_left(tmp_path: Path) -> None:
    with a_process("steady", tmp_path) as process, process.client() as client:
        conversation = client.until("ready")["conversation_id"]
        client.send("text_message", text="hi")
        client.until("audio_chunk")
        listen(client, 0.5)
        process.stop(signal.SIGTERM)
        before = process.stored(conversation)
    with a_process("steady", tmp_path) as process:
        url = f"http://127.0.0.1:{process.port}/api/messages?conversation_id={conversation}"
        found = httpx.get(url, trust_env=False).json()
        assert [(m["message_id"], m["heard"], m["interrupted"]) for m in found] == [
            (m["message_id"], m["heard"], bool(m["interrupted"])) for m in before
        ]
        with process.client(f"conversation_id={conversation}") as client:
            client.until("ready")
            client.send("text_message", text="go on")
            client.until("audio_chunk")
