"""A second socket, and a page without scripts, that come at any event of a turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.request import urlopen

import pytest
from attrs import define, field

from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.in_process_server import Client, Server, a_server

WORDS = "One *two* three, four & five. Six seven eight nine ten."
BUBBLE = re.compile(r'<article id="m-([^"]+)".*?<div class="message-text">(.*?)</div>', re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    tts = FakeTts(ms_per_word=60, seconds=0.002)
    with a_server(llm=FakeLlm(WORDS, seconds=0.02), tts=tts) as server:
        yield server


@define
class Reader:
    """What a client without fragments has of a turn."""

    text: dict[str, str] = field(factory=dict)
    audio: list[tuple[str, int, int]] = field(factory=list)
    over: set[int] = field(factory=set)
    turn: str = ""

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "ready" and frame["turn"]:
            self.turn = frame["turn"]["turn_id"]
            for line in frame["turn"]["lines"]:
                self.text[line["message_id"]] = line["text"]
                if line["state"] == "over":
                    self.over.add(line["sequence_number"])
        elif frame["type"] == "turn_started":
            self.turn = frame["turn_id"]
        elif frame["type"] == "text_chunk":
            id = frame["message_id"]
            self.text[id] = self.text.get(id, "") + frame["text"]
        elif frame["type"] == "audio_chunk":
            self.audio.append((frame["turn_id"], frame["sequence_number"], frame["chunk_index"]))
        elif frame["type"] == "turn_complete":
            self.over.add(frame["sequence_number"])


def read(client: Client, reader: Reader) -> None:
    """Read to the end of the turn."""
    while reader.over != {0, 1}:
        reader.take(client.receive())


def test_a_second_socket_at_any_event_has_the_same_text_and_no_audio_twice(server: Server) -> None:
    first, late = Reader(), []
    with ExitStack() as open_ones, server.client() as client:
        first.take(client.receive())
        client.send("text_message", text="@Olivia and @Mark, hello")
        while first.over != {0, 1}:
            first.take(client.receive())
            if first.turn and first.over != {0, 1}:
                other = open_ones.enter_context(server.client())
                reader = Reader()
                reader.take(other.receive())
                late.append((other, reader))
        assert len(late) > 20
        for other, reader in late:
            if reader.turn:  # else the server was further than the first socket had read
                read(other, reader)
                assert {id: first.text[id] for id in reader.text} == reader.text
                assert len(reader.text) == 2
                assert len(set(reader.audio)) == len(reader.audio)
                assert reader.audio == first.audio[len(first.audio) - len(reader.audio) :]
        assert sum(bool(reader.turn) for _, reader in late) > 10


def test_who_comes_back_is_sent_what_it_missed_and_not_the_present(server: Server) -> None:
    with server.client() as stays, server.client() as client:
        ready = client.receive()
        client.send("text_message", text="@Olivia hello")
        last = client.until("text_chunk")["event_id"]
        query = f"conversation_id=c&session_id={ready['session_id']}&last_event_id={last}"
        with server.client(query) as back:
            again = back.receive()
            assert (again["resumed"], again["turn"]) == (True, None)
        stays.until("turn_complete")


def test_a_page_without_scripts_has_each_message_once_as_far_as_it_is() -> None:
    written = "One *two* three, four &amp; five. Six seven eight nine ten. "
    with a_server(llm=FakeLlm(WORDS, seconds=0.3)) as server, server.client() as client:
        client.receive()
        client.send("text_message", text="@Mark hello")
        id = client.until("turn_started")["lines"][0]["message_id"]
        seen = []
        for frame in iter(client.receive, None):
            if frame["type"] in ("text_chunk", "turn_complete"):
                with urlopen(f"{server.url}/c/c") as answer:
                    bubbles = BUBBLE.findall(answer.read().decode())
                assert len({one for one, _ in bubbles}) == len(bubbles)
                assert bubbles[-1][0] == id
                seen.append(bubbles[-1][1])
            if frame["type"] == "turn_complete":
                break
    partly = [text for text in seen if not text.startswith("<p>")]
    assert any(partly)
    assert all(written.startswith(text) for text in partly)
    assert seen[-1] == f"<p>{written.strip().replace('*two*', '<em>two</em>')}</p>\n"
