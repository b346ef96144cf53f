"""Limits for each client: token buckets, open sockets, frames, audio, silence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

import anyio
import httpx
import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aichat.core import WebConfig
from aichat.core.bus.virtual_time import run_virtual
from aichat.web.access import authentication, rate_limits
from aichat.web.access.rate_limits import Bucket, Buckets, Sockets, TooManySockets, client_of
from aichat.web.realtime.chat_socket import AUDIO_BURST
from aichat.web.realtime.chat_socket import Client as SocketClient
from aichat.web.realtime.idle_timeout import IdleTimeout
from aichat.web.realtime.outbox import Connection
from aichat.web.realtime.room import Room
from support.chat import a_chat
from support.in_process_server import Client, Server, a_server, closed_by

SECOND = bytes(32_000)
"""Of microphone audio."""


@define
class Watch:
    """A clock that a test moves on."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


# -- buckets ---------------------------------------------------------------------------------


def test_a_bucket_gives_what_it_holds_then_says_when_there_is_more() -> None:
    watch = Watch()
    bucket = Bucket(rate=2, size=3, now=watch.now)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    watch.seconds = 0.25
    assert bucket.take() == 0.25
    watch.seconds = 0.5
    assert bucket.take() == 0
    watch.seconds = 1_000
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]


def test_what_is_given_back_can_be_taken_again_and_no_more() -> None:
    bucket = Bucket(rate=1, size=1, now=Watch().now)
    bucket.give_back()
    assert bucket.take() == 0
    bucket.give_back()
    assert bucket.take() == 0
    assert bucket.take() == 1


steps = st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 5)), max_size=40)


@given(steps)
def test_over_any_time_a_bucket_gives_at_most_its_size_and_its_rate(
    steps: list[tuple[float, float]],
) -> None:
    watch = Watch()
    bucket, given_out = Bucket(rate=1.5, size=4, now=watch.now), 0.0
    for pause, amount in steps:
        watch.seconds += pause
        wait = bucket.take(amount)
        given_out += 0 if wait else amount
        assert given_out <= 4 + 1.5 * watch.seconds + 1e-6
        if wait and amount <= 4:  # whoever waits as long as it was told gets it
            watch.seconds += wait + 1e-9
            assert bucket.take(amount) == 0
            given_out += amount


def test_each_client_has_a_bucket_and_the_table_stays_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "TABLE", 3)
    buckets = Buckets(rate=1, size=1, now=Watch().now)
    assert buckets["a"].take() == 0
    assert buckets["a"].take() == 1
    assert buckets["b"].take() == 0
    for client in "cadaeaf":
        buckets[client].take()
    assert set(buckets.table) == {"a", "e", "f"}  # the quiet ones were forgotten
    assert buckets["a"].take() == 1


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unix"),
        ("", "unix"),
        ("a-name", "a-name"),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address: str | None, client: str) -> None:
    assert client_of(address) == client


def test_sockets_are_counted_for_each_client_and_forgotten() -> None:
    sockets = Sockets(2)
    for client in "aab":
        sockets.enter(client)
    with pytest.raises(TooManySockets, match=r"2 connections are open(?s:.*)Hint: Close another"):
        sockets.enter("a")
    sockets.leave("a")
    sockets.enter("a")
    for client in "aab":
        sockets.leave(client)
    assert not sockets.open


# -- over the wire ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(web=WebConfig(max_sockets=2, max_requests_per_s=10_000)) as server:
        yield server


def flood(client: Client, frames: Iterable[str | bytes]) -> None:
    """Send frames until there are no more, or the server has enough."""
    with suppress(ConnectionClosed):
        for frame in frames:
            client.connection.send(frame)


def test_too_many_requests_are_refused_in_words_and_told_when_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        authentication, "Buckets", partial(Buckets, now=lambda: 0.0)
    )  # at one moment
    with a_server(web=WebConfig(max_requests_per_s=1)) as server:
        answers = [httpx.get(server.url + "/health", trust_env=False) for _ in range(12)]
        assert [answer.status_code for answer in answers[:10]] == [200] * 10
        late = answers[-1]
        assert late.status_code == 429
        assert late.json()["status_code"] == 429
        assert "Too many requests" in late.json()["detail"]
        assert int(late.headers["retry-after"]) >= 1
        assert "content-security-policy" in late.headers
        with pytest.raises(InvalidStatus) as refused, server.client():
            pass
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["retry-after"]
        with server.client(origin=server.url) as page:
            assert closed_by(page)[0] == 1013  # which makes the page try again later


def test_a_client_has_so_many_sockets_and_gets_another_when_one_is_closed(server: Server) -> None:
    with server.client() as one, server.client() as two:
        one.until("ready")
        two.until("ready")
        with pytest.raises(InvalidStatus) as refused, server.client():
            pass
        assert refused.value.response.status_code == 429
        assert "2 connections are open" in json.loads(refused.value.response.body)["detail"]
        one.connection.close()
        two.send("ping", t=1)
        two.until("pong")
        until_let_in(server)


def until_let_in(server: Server) -> None:
    for _ in range(100):
        try:
            with server.client() as client:
                client.until("ready")
                return
        except InvalidStatus:
            continue  # the server has yet to notice that another has left
    raise AssertionError("nobody was let in")


@pytest.mark.parametrize("subprotocols", [None, ["aichat.v1"]])
def test_a_page_is_told_why_it_gets_no_socket(
    server: Server, subprotocols: list[str] | None
) -> None:
    with server.client() as one, server.client() as two:
        one.until("ready")
        two.until("ready")
        with server.client(origin=server.url, subprotocols=subprotocols) as page:
            code, reason = closed_by(page)
    assert code == 1008
    assert reason.startswith("2 connections are open from your address. Close another page")


def test_a_frame_over_64_kb_is_told_and_one_over_a_megabyte_ends_the_connection(
    server: Server,
) -> None:
    with server.client() as client:
        client.connection.send(bytes(65_538))
        assert "65536 bytes" in client.until("error")["message"]
        client.send("ping", t=1)
        client.until("pong")
        flood(client, [bytes((1 << 20) + 2)])
        assert closed_by(client)[0] == 1009


def test_an_utterance_may_come_at_once_but_not_a_flood_of_audio(server: Server) -> None:
    with server.client() as client:
        for _ in range(int(AUDIO_BURST)):
            client.connection.send(SECOND)
        client.send("ping", t=1)
        client.until("pong")
        assert not client.of("error")
        flood(client, [SECOND] * int(AUDIO_BURST))
        code, reason = closed_by(client)
    assert code == 1008
    assert "2 times the speed of speech" in reason


def test_base64_audio_counts_by_its_length_in_seconds_not_in_bytes(server: Server) -> None:
    stereo = {"type": "audio_chunk", "audio_data": "AAAA" * 8_000, "channels": 2}  # 0.375 s
    chunk = json.dumps(stereo)
    with server.client() as client:
        flood(client, [chunk] * int(AUDIO_BURST / 0.375 - 1))
        client.send("ping", t=1)
        client.until("pong")
        flood(client, [chunk] * int(AUDIO_BURST / 0.375))
        assert closed_by(client)[0] == 1008


def test_a_silent_client_is_closed_with_the_reason() -> None:
    with a_server(web=WebConfig(max_silence_s=0.2)) as server, server.client() as client:
        code, reason = closed_by(client)
    assert (code, reason) == (1008, "Silent for 0.2 s: send audio, or a ping.")


class Wire:
    """A WebSocket whose other end is a list of (second, frame); then it is quiet."""

    def __init__(self, *frames: tuple[float, str | bytes]) -> None:
        self.frames = list(frames)
        self.closed: tuple[float, int] | None = None

    async def receive(self) -> dict[str, object]:
        if not self.frames:
            await anyio.sleep_forever()
        at, frame = self.frames.pop(0)
        await anyio.sleep(at - anyio.current_time())
        kind = "bytes" if isinstance(frame, bytes) else "text"
        return {"type": "websocket.receive", kind: frame}

    async def close(self, code: int, reason: str) -> None:
        self.closed = (anyio.current_time(), code)


PING = '{"type": "ping"}'


@pytest.mark.parametrize(
    ("frames", "end"),
    [
        ((), 30),
        (((29.9, PING),), 59.9),
        (((10, PING), (20, PING), (49.5, bytes(640))), 79.5),
        (((10, "nonsense"),), 40),
    ],
)
def test_silence_is_counted_from_the_last_frame(
    frames: tuple[tuple[float, str | bytes], ...], end: float
) -> None:
    async def main() -> None:
        wire = Wire(*frames)
        async with a_chat() as chat, anyio.create_task_group() as tasks:
            began = anyio.current_time()
            wire.frames = [(began + at, frame) for at, frame in frames]
            room = Room("c", chat.bus, chat.parts, painter=None)  # type: ignore[arg-type]
            connection = Connection(False, False, lambda: None)
            session, _ = room.session(None, "")
            client = SocketClient(
                wire, room, connection, session, chat.bus, chat.parts, None, tasks
            )  # type: ignore[arg-type]
            idle_timeout = IdleTimeout(30.0, chat.bus.clock)
            tasks.start_soon(idle_timeout.watch)
            with idle_timeout.watched(client):
                tasks.start_soon(client.read)
                await anyio.sleep(end - 0.5)
                assert not wire.closed
                await anyio.sleep(1.0)
            tasks.cancel_scope.cancel()
            assert wire.closed
            assert wire.closed == (pytest.approx(began + end), 1008)

    run_virtual(main)
