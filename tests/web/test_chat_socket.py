"""The WebSocket by the contract: a real server on a port, a real client."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import anyio
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aichat.core import Unreachable
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts
from aichat.toolkit.wav import wav_file
from support.chat import a_store
from support.in_process_server import Client, Server, a_server

SPEECH, QUIET = b"\x01\x00" * 320, bytes(640)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(stt=FakeStt("hello Mark")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        client.until("ready")
        yield client
        client.until_quiet(0.05)


def test_ready_tells_who_is_here(server: Server) -> None:
    with server.client() as client:
        ready = client.receive()
    assert ready["type"] == "ready"
    assert ready["conversation_id"] == "c"
    assert [who["name"] for who in ready["characters"]] == ["Olivia", "Mark", "Rosa"]
    assert ready["sample_rate"] == 24_000
    assert ready["resumed"] is False
    assert ready["session_id"]


def test_without_a_conversation_one_is_made_with_the_first_two(server: Server) -> None:
    with server.client("") as client:
        ready = client.until("ready")
    assert [who["id"] for who in ready["characters"]] == ["olivia", "mark"]
    with server.client(f"conversation_id={ready['conversation_id']}") as client:
        assert client.until("ready")["conversation_id"] == ready["conversation_id"]


def test_characters_can_be_named(server: Server) -> None:
    with server.client("character_ids=rosa,olivia") as client:
        assert [who["id"] for who in client.until("ready")["characters"]] == ["rosa", "olivia"]


@pytest.mark.parametrize(
    ("query", "code"),
    [("conversation_id=nowhere", "conversation_not_found"), ("character_ids=nobody", "not_found")],
)
def test_unknown_ids_are_told_and_closed(server: Server, query: str, code: str) -> None:
    with server.client(query) as client:
        error = client.receive()
        assert (error["type"], error["code"]) == ("error", code)
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4404


@pytest.mark.parametrize("id", ["\u65e5\u672c" * 60, "\u00e9" * 110, "\U0001f511" * 30, "x" * 500])
def test_a_close_reason_is_cut_between_letters_and_the_frame_before_has_the_hint(
    server: Server, id: str
) -> None:
    with server.client(f"conversation_id={quote(id)}") as client:
        assert client.receive()["message"].endswith("Check the id of the conversation.")
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4404
    problem = f"There is no conversation '{id}'."
    assert problem.startswith(closed.value.rcvd.reason)
    assert len(closed.value.rcvd.reason) > 40


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused_before_the_handshake(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, server.client(origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_the_servers_own_origin_is_let_in(server: Server) -> None:
    with server.client(origin=server.url) as client:
        client.until("ready")


def test_a_typed_turn_is_answered_in_text_and_audio(client: Client) -> None:
    client.send("text_message", text="@Olivia @Mark hi")
    started = client.until("turn_started")
    assert started["speakers"] == ["olivia", "mark"]
    for place, name in enumerate(("Olivia", "Mark")):
        complete = client.until("turn_complete")
        assert (complete["sequence_number"], complete["character_id"]) == (place, name.lower())
    text: dict[str, str] = {}
    for chunk in client.of("text_chunk"):
        assert chunk["turn_id"] == started["turn_id"]
        text[chunk["character_name"]] = text.get(chunk["character_name"], "") + chunk["text"]
    assert text["Mark"].strip() == "Mark here. I agree, of course. What else?"
    audio = client.of("audio_chunk")
    order = [(chunk["sequence_number"], chunk["chunk_index"]) for chunk in audio]
    assert order == sorted(set(order))
    pcm = b"".join(base64.b64decode(chunk["audio_data"]) for chunk in audio)
    assert len(pcm) == 2 * 24_000 * 8 * 2 * 100 // 1000
    ids = [message["event_id"] for message in client.seen]
    assert ids == sorted(ids)


def test_audio_is_binary_with_the_subprotocol(server: Server) -> None:
    with server.client(subprotocols=["aichat.v1"]) as client:  # type: ignore[list-item]
        assert client.connection.subprotocol == "aichat.v1"
        client.send("text_message", text="@Mark hi")
        generation = client.until("turn_started")["generation"]
        client.until("turn_complete")
        frames = [message for message in client.seen if isinstance(message, tuple)]
    assert {(f[0], f[2], f[3]) for f in frames} == {(1, 0, generation)}
    assert [f[4] for f in frames] == list(range(len(frames)))
    assert [f[1] for f in frames] == [0] * (len(frames) - 1) + [1]
    assert sum(len(f[6]) for f in frames) == 2 * 24_000 * 8 * 100 // 1000
    assert not client.of("audio_chunk")


def speak(client: Client, how: str) -> None:
    for frame in [SPEECH] * 10 + [QUIET] * 5:
        if how == "binary":
            client.connection.send(frame)
        else:
            client.send("audio_chunk", audio_data=base64.b64encode(frame).decode())


@pytest.mark.parametrize("how", ["binary", "json"])
def test_speech_is_written_down_and_answered(client: Client, how: str) -> None:
    speak(client, how)
    while not (heard := client.until("transcription_chunk"))["is_final"]:
        pass
    assert heard["text"] == "hello Mark"
    assert client.until("turn_started")["speakers"] == ["mark"]
    client.until("turn_complete")
    assert [m["speaking"] for m in client.of("listening")] == [True]


def a_wav(rate: int, channels: int) -> str:
    clip = wav_file(b"\x00\x10" * (rate // 5) * channels, rate, channels)
    return base64.b64encode(clip).decode()


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (16_000, 1), (44_100, 1)])
def test_wav_of_any_rate_is_understood(client: Client, rate: int, channels: int) -> None:
    client.send("audio_chunk", format="wav", audio_data=a_wav(rate, channels))
    client.until("listening")
    client.send("end_of_speech")
    assert client.until("turn_started")["speakers"] == ["mark"]
    client.until("turn_complete")


def test_an_interruption_is_the_last_frame_of_its_turn(server: Server) -> None:
    with server.client() as client:
        client.send("text_message", text="hello everybody")
        client.until("audio_chunk")
        client.send("interrupt")
        stopped = client.until("interrupted")
        count = len(client.seen)
        client.until_quiet()
    late = [m for m in client.seen[count:] if m.get("turn_id") == stopped["turn_id"]]
    assert [m["type"] for m in late] in ([], ["latency"])


def test_one_speaker_is_stopped_and_the_next_goes_on(client: Client) -> None:
    client.send("text_message", text="@Olivia @Mark hi")
    client.until("audio_chunk")
    client.send("interrupt", character_id="olivia")
    stopped = client.until("interrupted")
    assert (stopped["character_id"], stopped["sequence_number"]) == ("olivia", 0)
    assert client.until("turn_complete")["character_id"] == "mark"


def test_speaking_breaks_in(client: Client) -> None:
    client.send("text_message", text="@Olivia hi")
    client.until("audio_chunk")
    client.connection.send(SPEECH)
    assert client.until("interrupted")["reason"] == "barge_in"
    client.send("end_of_speech")
    client.until("turn_complete")


def test_ping_is_answered_with_the_servers_clock(client: Client) -> None:
    client.send("ping", t=12.5)
    pong = client.until("pong")
    assert pong["t"] == 12.5
    assert pong["server_time"] > 1.7e9


BAD = [
    ("not json", "malformed"),
    ('{"type": "sing"}', "sing"),
    ('{"text": "x"}', "type"),
    ("[]", "object"),
    ('{"type": "text_message"}', "text"),
    ('{"type": "text_message", "text": "  "}', "without text"),
    ('{"type": "text_message", "text": "a\\u0000b"}', "cannot be kept"),
    ('{"type": "text_message", "text": "\\ud800"}', ""),
    (json.dumps({"type": "text_message", "text": "x" * 9_000}), "8000"),
    ('{"type": "audio_chunk", "audio_data": "???"}', "base64"),
    ('{"type": "audio_chunk", "audio_data": "AAA="}', "2 bytes"),
    ('{"type": "audio_chunk", "audio_data": "AAAA"}', "3 bytes"),
    ('{"type": "audio_chunk", "audio_data": "AAAA", "format": "wav"}', "WAV"),
    ('{"type": "audio_chunk", "audio_data": "AAAA", "sample_rate": 1}', "sample_rate"),
    ('{"type": "audio_chunk", "audio_data": "AAAA", "channels": 9}', "channels"),
    ('{"type": "settings", "temperature": 9}', "temperature"),
    ('{"type": "settings", "strategy": "chaos"}', "strategy"),
    ('{"type": "settings", "muted": "mark"}', "muted"),
    ('{"type": "settings", "auto_cap": 0}', "auto_cap"),
    ('{"type": "playback", "turn_id": "x", "sequence_number": -1, "played_ms": 0}', "sequence"),
    ('{"type": "playback", "turn_id": "x", "sequence_number": 0, "played_ms": -5}', "played_ms"),
    (b"\x00\x01\x02", "3 bytes"),
    (b"", "0 bytes"),
    (b"\0" * 70_000, "65536"),
    ("x" * 70_000, "65536"),
]


@pytest.mark.parametrize(("frame", "word"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_a_bad_frame_is_told_and_the_connection_lives_on(
    client: Client, frame: str | bytes, word: str
) -> None:
    client.connection.send(frame)
    if frame == '{"type": "audio_chunk", "audio_data": "AAA="}':
        client.send("ping", t=1)  # two bytes are one sample: right
        client.until("pong")
        return
    error = client.until("error")
    assert error["code"] == "bad_frame"
    assert word in error["message"]
    client.send("ping", t=1)
    client.until("pong")


def test_a_flood_of_bad_frames_closes_the_connection(server: Server) -> None:
    with server.client() as client:
        for _ in range(60):
            client.connection.send("nonsense")
        with pytest.raises(ConnectionClosed) as closed:
            client.until("never")
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1008


def test_settings_hold_from_the_next_turn_on() -> None:
    llm = FakeLlm()
    with a_server(llm=llm) as server, server.client() as client:
        client.send("settings", model="mine/model", temperature=0.3)
        client.send("settings", temperature=None, top_p=0.5)
        client.send("text_message", text="@Mark hi")
        client.until("turn_complete")
    assert llm.asked[0].settings == {"model": "mine/model", "top_p": 0.5}


def test_who_is_muted_or_asked_and_who_goes_on_by_themselves_is_told() -> None:
    with a_server() as server, server.client() as client:
        client.send("settings", strategy="manual", muted=["mark"])
        client.send("text_message", text="hm")
        started = client.until("turn_started")
        assert (started["speakers"], started["auto"]) == ([], None)
        assert started["note"] == "Nobody was addressed. Name who is to answer."
        client.send("ask", character_ids=["mark", "rosa"])
        assert client.until("turn_started")["speakers"] == ["rosa"]
        client.send("ask", character_ids=["nobody"])
        assert "nobody is not in this conversation" in client.until("error")["message"]
        client.send("settings", strategy="round_robin", muted=None, auto=True, auto_cap=2)
        client.send("text_message", text="@Mark hi")
        told = [client.until("turn_started") for _ in range(3)]
        assert [one["speakers"] for one in told] == [["mark"], ["rosa"], ["olivia"]]
        autos = [one["auto"] for one in told]
        assert autos == [None, {"count": 0, "cap": 2}, {"count": 1, "cap": 2}]
        client.until("turn_complete")


def test_who_comes_back_gets_the_text_it_missed_and_no_audio_twice(server: Server) -> None:
    with server.client() as client:
        ready = client.until("ready")
        client.send("text_message", text="@Mark hi")
        last = client.until("turn_started")["event_id"]
        client.until("turn_complete")
        full = [m for m in client.seen if m["type"] == "text_chunk"]
    query = f"conversation_id=c&session_id={ready['session_id']}&last_event_id={last}"
    with server.client(query) as client:
        assert client.until("ready")["resumed"] is True
        while len(client.of("text_chunk")) < len(full):
            client.receive()
        client.until_quiet()
    assert [m["text"] for m in client.of("text_chunk")] == [m["text"] for m in full]
    assert not client.of("audio_chunk")


def test_two_clients_in_one_conversation_see_the_same(server: Server) -> None:
    with server.client() as one, server.client() as two:
        two.until("ready")
        one.send("text_message", text="@Rosa hi")
        assert one.until("turn_complete")["turn_id"] == two.until("turn_complete")["turn_id"]


class Refusing(MemoryStorage):
    async def add_message(self, message: object) -> None:
        raise Unreachable("The disk is full.", "Make room.")


def test_what_fails_is_told_in_words_once_and_the_next_turn_works() -> None:
    class Broken(FakeLlm):
        async def reply(self, prompt):  # type: ignore[no-untyped-def]
            raise RuntimeError("sk-secret /home/somebody")
            yield

    store = Refusing()
    store.__dict__.update(anyio.run(a_store).__dict__)
    with a_server(llm=Broken(), storage=store) as server, server.client() as client:
        for _ in range(2):
            client.send("text_message", text="@Mark hi")
            errors = {(e := client.until("error"))["stage"]: e for _ in range(2)}
            assert "sk-secret" not in json.dumps(client.seen)
            assert errors["answering"]["code"] == "internal"
            assert "RuntimeError" in errors["answering"]["message"]
            assert errors["remembering"]["code"] == "store_unreachable"
            assert "The disk is full." in errors["remembering"]["message"]
            assert errors["remembering"]["retryable"] is True


def test_the_last_one_to_leave_stops_the_characters() -> None:
    slow = FakeTts(ms_per_word=2000)
    with a_server(tts=slow) as server:
        with server.client() as client:
            client.send("text_message", text="@Mark hi")
            client.until("audio_chunk")
        with server.client() as client:
            client.until("ready")
            client.until_quiet()
            assert not client.of("audio_chunk")


def test_what_was_cut_off_is_said_on_demand() -> None:
    slow = FakeTts(ms_per_word=200)
    with a_server(tts=slow) as server, server.client("conversation_id=c&view=html") as client:
        client.send("text_message", text="@Olivia @Mark hi")
        client.until("audio_chunk")
        line = client.of("turn_started")[0]["lines"][0]
        for _ in range(8):
            client.until("audio_chunk")
        client.send("interrupt")
        client.until("interrupted")
        client.send("say_rest", message_id=line["message_id"])
        assert client.until("turn_started")["speakers"] == ["olivia", "mark"]
        client.until("turn_complete")
        client.send("say_rest", message_id="unknown")
        assert client.until("error")["code"] == "not_found"


# -- JSON that is meant to hurt --------------------------------------------------------------------

DEEP = 30_000
HURTING = {
    "lists": '{"type": "ping", "x": ' + "[" * DEEP + "]" * DEEP + "}",
    "open lists": "[" * 60_000,
    "objects": '{"a":' * 12_000 + "1" + "}" * 12_000,
    "lists of no end in a text": '{"type": "text_message", "text": ' + "[" * DEEP,
    "deep settings": '{"type": "settings", "stop": ' + "[" * DEEP + "]" * DEEP + "}",
    "many digits": '{"type": "ping", "t": ' + "9" * 50_000 + "}",
    "many digits of a whole number": '{"type": "settings", "max_tokens": ' + "9" * 5_000 + "}",
    "a large exponent": '{"type": "ping", "t": 1e999}',
    "not a number": '{"type": "ping", "t": NaN}',
    "infinity": '{"type": "ping", "t": -Infinity}',
    "two types": '{"type": "ping", "type": "interrupt"}',
    "half a pair": '{"type": "say_rest", "message_id": "\\udc00"}',
    "half a pair in a name": '{"type": "settings", "\\ud800": 1}',
    "U+0000 in an id": '{"type": "say_rest", "message_id": "a\\u0000b"}',
    "U+0000 in another id": '{"type": "play_again", "message_id": "\\u0000", "word": 2}',
    "U+0000 in a third": '{"type": "regenerate", "message_id": "\\u0000"}',
    "U+0000 in a character": '{"type": "interrupt", "character_id": "\\u0000"}',
    "U+0000 in a list": '{"type": "ask", "character_ids": ["mark", "\\u0000"]}',
    "U+0000 in a setting": '{"type": "settings", "model": "a\\u0000"}',
    "U+0000 in settings' lists": '{"type": "settings", "stop": ["a", "\\u0000"]}',
    "U+0000 in who is muted": '{"type": "settings", "muted": ["\\u0000"]}',
    "U+0000 in a draft": '{"type": "draft", "text": "\\u0000"}',
    "no object": '"text_message"',
    "a number": "1" * 5_000,
    "nothing": "",
    "a mark of byte order": '\ufeff{"type": "ping"}',
}


@pytest.mark.parametrize("name", HURTING)
def test_json_that_is_meant_to_hurt_is_told_and_the_connection_lives_on(
    client: Client, name: str
) -> None:
    client.connection.send(HURTING[name])
    error = client.until("error")
    assert error["code"] == "bad_frame"
    assert len(error["message"]) < 600
    client.send("ping", t=1)
    client.until("pong")


@pytest.mark.parametrize(
    "settings",
    [
        {"temprature": 0.3},
        {"temperature": 0.3, "tools": ["dice"]},
        {"temperature": 0.3, "conversation_id": "d"},
        {"temperature": 0.3, "Temperature": 0.4},
        {"temperature": 0.3, "": None},
        {"temperature": 0.3, "__class__": {}},
    ],
)
def test_settings_with_an_unknown_name_are_refused_as_a_whole(settings: dict[str, object]) -> None:
    with a_server() as server, server.client() as client:
        client.send("settings", **settings)
        error = client.until("error")
        assert error["code"] == "bad_frame"
        assert "unknown field" in error["message"]
        assert "Known settings: model, temperature" in error["message"]
        assert anyio.run(server.store.conversation, "c").settings == {}


def test_a_transcript_has_its_time_in_seconds(client: Client) -> None:
    before = time.time()
    speak(client, "binary")
    while not (heard := client.until("transcription_chunk"))["is_final"]:
        pass
    assert isinstance(heard["timestamp"], float)
    assert before - 1 <= heard["timestamp"] <= time.time() + 1
    client.until("turn_complete")


# -- the cast that an address names ------------------------------------------------------------


@pytest.fixture
def own() -> Iterator[Server]:
    with a_server() as server:
        yield server


def cast_of(server: Server) -> list[str]:
    return list(anyio.run(server.store.conversation, "c").active_characters)


def test_characters_in_the_address_become_the_cast_of_a_conversation_that_is_there(
    own: Server,
) -> None:
    with own.client() as other:
        other.until("ready")
        with own.client("conversation_id=c&character_ids=rosa,olivia") as client:
            ready = client.until("ready")
            assert [who["id"] for who in ready["characters"]] == ["rosa", "olivia"]
            told = other.until("cast")
            assert [who["id"] for who in told["characters"]] == ["rosa", "olivia"]
            client.send("text_message", text="hello")
            assert client.until("turn_started")["speakers"] == ["rosa", "olivia"]
    assert cast_of(own) == ["rosa", "olivia"]


@pytest.mark.parametrize(
    ("ids", "code", "close"),
    [
        ("nobody", "not_found", 4404),
        ("mark,nobody", "not_found", 4404),
        ("mark,%00", "not_found", 4404),
        ("", "bad_value", 4400),
        (",,", "bad_value", 4400),
        (",".join(f"n{n}" for n in range(101)), "bad_value", 4400),
        ("x" * 5_000, "not_found", 4404),
    ],
)
def test_a_cast_that_cannot_be_is_told_and_changes_nothing(
    own: Server, ids: str, code: str, close: int
) -> None:
    with own.client(f"conversation_id=c&character_ids={ids}") as client:
        error = client.receive()
        assert (error["type"], error["code"]) == ("error", code)
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == close
    assert cast_of(own) == ["olivia", "mark", "rosa"]


def test_whom_the_address_names_twice_is_there_once(own: Server) -> None:
    with own.client("conversation_id=c&character_ids=mark,rosa,mark") as client:
        client.until("ready")
    assert cast_of(own) == ["mark", "rosa"]
    with own.client("character_ids=mark,mark") as client:
        assert [who["id"] for who in client.until("ready")["characters"]] == ["mark"]


@pytest.mark.parametrize("id", ["%00", "c%00", "%ff", "x" * 5_000])
def test_an_id_that_no_conversation_can_have_is_told(own: Server, id: str) -> None:
    with own.client(f"conversation_id={id}") as client:
        assert client.receive()["code"] == "conversation_not_found"


def test_a_turn_goes_on_with_its_speakers_while_the_cast_changes() -> None:
    with a_server(tts=FakeTts(ms_per_word=100)) as server, server.client() as one:
        one.send("text_message", text="@Olivia @Mark hi")
        one.until("audio_chunk")
        with server.client("conversation_id=c&character_ids=rosa") as two:
            two.until("ready")
            done = [one.until("turn_complete")["character_id"] for _ in range(2)]
            assert done == ["olivia", "mark"]
            assert not one.of("interrupted")
            two.send("text_message", text="hello")
            assert two.until("turn_started")["speakers"] == ["rosa"]


def test_who_comes_back_does_not_set_the_cast_again(own: Server) -> None:
    address = "conversation_id=c&character_ids=rosa"
    with own.client(address) as client:
        ready = client.until("ready")
    anyio.run(own.store.change_conversation, "c", {"active_characters": ["mark"]})
    back = f"{address}&session_id={ready['session_id']}&last_event_id={ready['event_id']}"
    with own.client(back) as client:
        assert [who["id"] for who in client.until("ready")["characters"]] == ["mark"]
    assert cast_of(own) == ["mark"]
