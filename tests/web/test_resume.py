"""A connection is cut at any moment: what was played in the end is what was said, once."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aichat.core import Voice
from aichat.core.events import Line, Turn
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.web.realtime.replay_buffer import REPLAY_BYTES, ReplayBuffer, place_of
from support.in_process_server import Client, Server, a_server

WORDS = "One two three four, five six seven eight nine ten."
CHUNK = 480


class Counting(FakeTts):
    """Every sample of a clause is another number, so that none can be taken for another."""

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        for start in range(0, 120 * 24 * len(text.split()), CHUNK):
            yield struct.pack(f"<{CHUNK}h", *(n % 30_000 for n in range(start, start + CHUNK)))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(tts=Counting(), llm=FakeLlm(WORDS)) as server:
        yield server


@define
class Page:
    """A client with a loudspeaker that plays what it holds, but for some ms."""

    server: Server
    conversation: str = ""
    session: str = ""
    last: int = 0
    turn: str = ""
    generation: int = -1
    held: list[tuple[int, int, bytes]] = field(factory=list)
    """Frames that came: sequence, chunk, PCM."""
    pcm: dict[int, bytearray] = field(factory=dict)
    """What was played of each line."""
    text: dict[str, str] = field(factory=dict)
    over: set[int] = field(factory=set)
    resumed: list[bool] = field(factory=list)

    def play(self, but: int = 0) -> None:
        """Play the frames that are held, but the last few."""
        while len(self.held) > but:
            sequence, _, pcm = self.held.pop(0)
            self.pcm.setdefault(sequence, bytearray()).extend(pcm)

    def position(self) -> dict[str, Any]:
        sequence = max(self.pcm, default=0)
        ms = len(self.pcm.get(sequence, b"")) / 2 / 24
        return {"turn_id": self.turn, "sequence_number": sequence, "played_ms": ms}

    @contextmanager
    def connected(self, audio: str) -> Iterator[Client]:
        query: dict[str, Any] = {"conversation_id": self.conversation, "protocol": "aichat.v1"}
        if self.session:
            query |= {"session_id": self.session, "last_event_id": self.last, "audio": audio}
            query |= self.position()
            if audio == "lost":
                self.held.clear()
        query = {key: value for key, value in query.items() if value != ""}
        with self.server.client(urlencode(query)) as client:
            yield client

    def take(self, client: Client) -> None:
        """Read one frame."""
        frame = client.receive()
        if isinstance(frame, tuple):
            _, _, sequence, generation, chunk, event, pcm = frame
            assert generation == self.generation
            self.held.append((sequence, chunk, pcm))
        else:
            event = frame["event_id"]
            getattr(self, f"take_{frame['type']}", lambda _: None)(frame)
        self.last = max(self.last, event)

    def take_ready(self, frame: dict[str, Any]) -> None:
        self.conversation, self.session = frame["conversation_id"], frame["session_id"]
        self.resumed.append(frame["resumed"])

    def take_turn_started(self, frame: dict[str, Any]) -> None:
        self.turn, self.generation = frame["turn_id"], frame["generation"]

    def take_text_chunk(self, frame: dict[str, Any]) -> None:
        name = frame["character_name"]
        self.text[name] = self.text.get(name, "") + frame["text"]

    def take_turn_complete(self, frame: dict[str, Any]) -> None:
        self.over.add(frame["sequence_number"])


def cut(client: Client) -> None:
    """End the connection as a broken line would: no farewell, and what is on the way is lost."""
    line = client.connection.socket
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.shutdown(socket.SHUT_RD)
    line.close()


CUTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 4), st.sampled_from(["kept", "lost"])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=CUTS, reports=st.booleans())
def test_whenever_it_is_cut_all_is_played_once(
    server: Server, cuts: list[tuple[int, int, str]], reports: bool
) -> None:
    page = Page(server)
    audio = "kept"
    for number, (frames, but, next_audio) in enumerate(cuts):
        with page.connected(audio) as client:
            while not page.resumed[number:]:
                page.take(client)
            if not number:
                client.send("text_message", text="hi")
                while not page.turn:
                    page.take(client)
            for _ in range(frames):
                if page.over == {0, 1}:
                    break
                page.take(client)
                page.play(but)
                if reports:
                    client.send("playback", **page.position())
            cut(client)
        # what was lost may not all have come again
        audio = "lost" if audio == "lost" else next_audio
    with page.connected(audio) as client:
        while page.over != {0, 1}:
            page.take(client)
        client.send("ping", t=1)  # what has to come has come before the answer
        while not client.of("pong"):
            page.take(client)
    page.play()
    assert page.resumed == [False] + [True] * len(cuts)
    assert {text.strip() for text in page.text.values()} == {WORDS}
    for sequence in (0, 1):
        sent = list(struct.unpack(f"<{len(page.pcm[sequence]) // 2}h", page.pcm[sequence]))
        expected: list[int] = []
        for words in (4, 6):  # the clauses
            expected += [n % 30_000 for n in range(120 * 24 * words)]
        assert sent == expected


def test_while_nobody_is_there_they_hold_and_go_on_for_who_comes_back(server: Server) -> None:
    page = Page(server)
    with page.connected("kept") as client:
        client.send("text_message", text="hi")
        while not page.held:
            page.take(client)
        cut(client)
    # a loudspeaker that plays two lines to their end takes longer than this
    with page.connected("kept") as client:
        while page.over != {0, 1}:
            page.take(client)
    assert page.resumed == [False, True]


def test_somebody_else_does_not_hear_what_was_held_for_who_was_cut_off(server: Server) -> None:
    page = Page(server)
    with page.connected("kept") as client:
        client.send("text_message", text="hi")
        while not page.held:
            page.take(client)
        cut(client)
    with server.client(f"conversation_id={page.conversation}") as other:
        assert other.until("ready")["resumed"] is False
        other.until_quiet()
        assert not other.of("audio_chunk")


def test_a_page_that_was_left_stops_them_at_once(server: Server) -> None:
    page = Page(server)
    with server.client(subprotocols=["aichat.v1"]) as witness:  # type: ignore[list-item]
        page.conversation = witness.until("ready")["conversation_id"]
    with page.connected("kept") as client:
        client.send("text_message", text="hi")
        while not page.held:
            page.take(client)
        client.connection.close(1001)
    query = f"conversation_id=c&session_id={page.session}&last_event_id={page.last}"
    with server.client(query) as client:
        client.until("ready")
        assert client.until("interrupted")["reason"] == "left"


@pytest.mark.parametrize(
    "query",
    ["session_id=nobody&last_event_id=0", "session_id={id}", "session_id={id}&last_event_id=x",
     "session_id={id}&last_event_id=99999999", "session_id={id}&last_event_id=" + "9" * 40],
)  # fmt: skip
def test_who_cannot_go_on_begins_anew(server: Server, query: str) -> None:
    with server.client() as client:
        session = client.until("ready")["session_id"]
    with server.client("conversation_id=c&" + query.format(id=session)) as client:
        assert client.until("ready")["resumed"] is False


@pytest.mark.parametrize(
    "place", ["played_ms=nan", "played_ms=-1", "played_ms=1&sequence_number=x"]
)
def test_a_nonsense_position_is_not_believed(server: Server, place: str) -> None:
    with server.client() as client:
        session = client.until("ready")["session_id"]
    query = f"conversation_id=c&session_id={session}&last_event_id=0&audio=lost&{place}"
    with server.client(query) as client:
        assert client.until("ready")["resumed"] is True


def test_the_tape_is_bounded_and_lets_go_of_what_was_played() -> None:
    tape, line = ReplayBuffer(), Line(Turn("c", 3, "t"), "olivia", 1)
    for n in range(200):
        tape.add(n, line, bytes(48_000), False)
    assert tape.size == sum(len(piece.pcm) for piece in tape.pieces) <= REPLAY_BYTES
    first = tape.pieces[0]
    tape.let_go(place_of(line, first.start + 24_000 + 1))
    assert tape.pieces[0].start == first.start + 24_000
    rest = list(tape.beyond(place_of(line, first.start + 24_000 + 100)))
    assert rest[0].start == first.start + 24_000 + 100
    assert len(rest[0].pcm) == 48_000 - 200
    tape.let_go(place_of(Line(Turn("c", 4), "", 0), 0))
    assert not tape.pieces
    assert tape.size == 0
