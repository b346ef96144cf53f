"""Two clients play one conversation: each has its own position, and the furthest was heard."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.in_process_server import Client, Server, a_server
from support.waiting import soon

WORD_MS = 100
TEXT = " ".join(f"word{n}" for n in range(60))


@pytest.fixture
def server() -> Iterator[Server]:
    with a_server(llm=FakeLlm(TEXT), tts=FakeTts(ms_per_word=WORD_MS)) as server:
        yield server


def report(client: Client, turn: str, words: int, state: str) -> None:
    at = {"turn_id": turn, "sequence_number": 0}
    client.send("playback", **at, played_ms=words * WORD_MS - 1, state=state)
    client.send("ping", t=words)  # answered when the report was taken in
    client.until("pong")


def until_heard(server: Server, low: int, high: int) -> None:
    """Wait until as many words of the interrupted reply are stored as heard."""

    def is_stored() -> bool:
        messages: Any = anyio.run(server.store.recent_messages, "c")
        return any(
            one.interrupted and low <= len(one.said.split()) <= high
            for one in messages
            if one.role == "assistant"
        )

    soon(is_stored)


def begun(one: Client, two: Client) -> str:
    """Have a reply begun that both hear; return the turn's id."""
    one.until("ready")
    two.until("ready")
    one.send("text_message", text="@Olivia hi")
    turn = str(one.until("turn_started")["turn_id"])
    for client in (one, two):
        until_sent(client, 1_000)
    return turn


def until_sent(client: Client, ms: int) -> None:
    """Read until a client got so much audio."""
    while sum(len(b64decode(one["audio_data"])) for one in client.of("audio_chunk")) < 48 * ms:
        client.until("audio_chunk")


@pytest.mark.parametrize("far_first", [True, False])
def test_a_barge_in_cuts_at_the_furthest_position(server: Server, *, far_first: bool) -> None:
    with server.client() as near, server.client() as far:
        turn = begun(near, far)
        for client, words in ((near, 2), (far, 5)):
            report(client, turn, words, "playing")
        near.send("interrupt")
        near.until("interrupted")
        order = [(far, 5), (near, 2)] if far_first else [(near, 2), (far, 5)]
        for client, words in order:
            report(client, turn, words, "flushed")
        until_heard(server, 5, 5)


def test_a_loudspeaker_that_plays_nothing_takes_nothing_away(server: Server) -> None:
    with server.client() as muted, server.client() as loud:
        turn = begun(muted, loud)
        report(loud, turn, 5, "playing")
        loud.send("interrupt")
        loud.until("interrupted")
        report(loud, turn, 5, "flushed")
        at = {"turn_id": turn, "sequence_number": 0, "played_ms": 0, "state": "flushed"}
        muted.send("playback", **at)
        until_heard(server, 5, 5)


def test_what_one_that_left_has_played_was_heard_and_no_more(server: Server) -> None:
    with server.client() as near:
        with server.client() as far:
            turn = begun(near, far)
            report(near, turn, 1, "playing")
            report(far, turn, 4, "playing")
        until_sent(near, 1_600)  # it plays on only here
        report(near, turn, 2, "playing")
        near.send("interrupt")
        near.until("interrupted")
        report(near, turn, 2, "flushed")
        until_heard(server, 4, 7)


def test_one_that_left_does_not_hold_the_other_back(server: Server) -> None:
    with server.client() as near:
        with server.client() as gone:
            turn = begun(near, gone)
            report(gone, turn, 1, "playing")
        report(near, turn, 6, "playing")
        near.send("interrupt")
        near.until("interrupted")
        report(near, turn, 6, "flushed")
        until_heard(server, 6, 6)


ODD = ["-1", "-1e-9", "NaN", "-Infinity", "1e999", "1e308", '"5"', "null", "true", "[1]", "{}"]


def test_a_position_that_is_none_is_refused_and_the_true_one_counts(server: Server) -> None:
    with server.client() as odd, server.client() as true:
        turn = begun(odd, true)
        for value in ODD:
            odd.connection.send(
                f'{{"type": "playback", "turn_id": "{turn}", "sequence_number": 0, '
                f'"played_ms": {value}, "state": "playing"}}'
            )
            assert "frame is wrong" in odd.until("error")["message"]
        report(true, turn, 3, "playing")
        true.send("interrupt")
        true.until("interrupted")
        report(odd, turn, 2, "flushed")
        report(true, turn, 3, "flushed")
        until_heard(server, 3, 3)


@pytest.mark.parametrize("ms", [1e8, 60 * WORD_MS + 0.01, 86_400_000])
def test_a_position_past_the_end_is_the_end_of_what_was_sent(server: Server, ms: float) -> None:
    with server.client() as one, server.client() as other:
        turn = begun(one, other)
        at = {"turn_id": turn, "sequence_number": 0}
        one.send("playback", **at, played_ms=ms, state="playing")
        one.send("interrupt")
        one.until("interrupted")
        one.until_quiet()
        sent = sum(len(b64decode(chunk["audio_data"])) for chunk in one.of("audio_chunk")) // 48
        assert sent // WORD_MS + 1 < 60
        until_heard(server, sent // WORD_MS - 1, sent // WORD_MS + 1)
        report(one, turn, 4, "flushed")  # what it says last is true
        report(other, turn, 2, "flushed")
        until_heard(server, 4, 4)
