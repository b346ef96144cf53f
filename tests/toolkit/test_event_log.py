"""The event log: what it holds of an event, and what it says about a file that is not right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue, Character, Conversation, Message, NotReady, Voice
from aichat.core.events import (
    AudioReady,
    AudioReceived,
    Event,
    HandlerFailed,
    Line,
    MessageAdded,
    SpeakersChosen,
    SpeechSynthesized,
    SpokenWord,
    ToolUsed,
    Turn,
    TurnTimed,
    UserSaid,
    UtteranceHeard,
)
from aichat.toolkit.event_log import TURNS, Entry, Header, LogWriter, parse_log, read_entry

HEADER = Header(
    Conversation("c", active_characters=["olivia"]),
    (Character("olivia", "Olivia", "You are Olivia.", voice="Warm"),),
    (Voice("Warm", speaker_desc="warm"),),
    (Message("m-1", "c", "user", "before"),),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
entries = st.builds(
    Entry,
    at=st.floats(0, 1e9),
    event=st.text(min_size=1, max_size=20),
    turn=st.integers(0, 10**6),
    place=st.none() | st.integers(0, 100),
    data=st.dictionaries(st.text(max_size=20), plain, max_size=4),
)


@given(entry=entries)
def test_what_is_written_is_read_again(entry: Entry) -> None:
    line = entry.to_line()
    assert "\n" not in line
    assert read_entry(line) == entry


@given(text=st.text(max_size=80) | plain.map(json.dumps))
def test_garbage_is_refused_with_the_line_named_or_is_an_entry(text: str) -> None:
    try:
        told = read_entry(text, "talk.jsonl, line 7").event
    except BadValue as error:
        told = error.line
    assert told
    if not text.strip().startswith("{"):
        assert "talk.jsonl, line 7" in told


@given(entry=entries, data=st.data())
def test_a_line_that_was_cut_off_is_named(entry: Entry, data: st.DataObject) -> None:
    line = entry.to_line()
    cut = line[: data.draw(st.integers(1, len(line) - 1))]
    with pytest.raises(BadValue, match=r"log\.jsonl, line 3 is not JSON"):
        parse_log([HEADER.to_line(), entry.to_line(), cut], "log.jsonl")


@given(text=st.text(max_size=60) | plain.map(json.dumps))
def test_a_garbled_header_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match=r"line 1|empty"):
        parse_log([text], "log.jsonl")


def test_the_header_comes_back_but_for_its_times() -> None:
    header = parse_log([HEADER.to_line(), ""]).header
    assert header.conversation.active_characters == ["olivia"]
    assert header.characters[0].system_prompt == "You are Olivia."
    assert header.voices[0].speaker_desc == "warm"
    assert header.messages[0].content == "before"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"aichat_log": 99}, "aichat_log is 99"),
        ({"characters": None}, "header is not complete"),
        ({"conversation": {"title": "no id"}}, "header is not complete"),
        ({"messages": [{"message_id": "m"}]}, "header is not complete"),
    ],
)
def test_a_header_of_another_kind_says_what_is_wrong(change: dict[str, Any], told: str) -> None:
    header = json.dumps({**json.loads(HEADER.to_line()), **change})
    with pytest.raises(BadValue, match=told):
        parse_log([header])


def test_a_field_that_a_later_version_adds_is_passed_over() -> None:
    told = json.loads(HEADER.to_line())
    told["conversation"]["colour"] = "green"
    assert parse_log([json.dumps(told)]).header.conversation.conversation_id == "c"


TURN = Turn("c", 41, "turn-id")
LINE = Line(TURN, "olivia", 1, "message-id", "Olivia")


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (UserSaid(TURN, "hi", "voice", "m"), {"text": "hi", "source": "voice", "joins": None}),
        (SpeakersChosen(TURN, (LINE,)), {"lines": [
            {"character": "olivia", "name": "Olivia", "place": 1}],
            "note": "", "count": 0, "cap": 0}),
        (SpeechSynthesized(LINE, 2, b"1234", True, (SpokenWord(0, 2, 5),)), {
            "index": 2, "pcm": {"bytes": 4}, "last": True, "words": [[0, 2, 5]]}),
        (UtteranceHeard(TURN, "key", b"12", 101.5), {"pcm": {"bytes": 2}, "ended": 1.5}),
        (TurnTimed(TURN, (("transcribed", 0.0),), (1.0,), True, False, 100.5), {
            "marks": [["transcribed", 0.0]], "gaps": [1.0], "final": True,
            "interrupted": False, "began": 0.5}),
        (ToolUsed(LINE, "dice", {"dice": "d6", "n": [1]}, "4"), {
            "name": "dice", "arguments": {"dice": "d6", "n": [1]}, "result": "4",
            "failed": False}),
        (HandlerFailed(TURN, "a.b", UserSaid(TURN, "x"), NotReady("secret", "b")), {
            "handler": "a.b", "event": "UserSaid", "error": "not_ready"}),
    ],
)  # fmt: skip
def test_an_event_is_told_without_ids_and_at_its_moment(event: Event, told: Any) -> None:
    entry = LogWriter(100.0).entry(event, 102.0)
    assert dict(entry.data) == told
    assert (entry.at, entry.event, entry.turn) == (2.0, type(event).__name__, 0)
    assert read_entry(entry.to_line()) == entry


def test_a_message_is_told_without_ids_and_an_unknown_error_by_its_type() -> None:
    writer = LogWriter(0.0)
    message = Message("m", "c", "assistant", "Well", "Olivia", "olivia", "turn", True, "We")
    told = writer.entry(MessageAdded(TURN, message), 0).data["message"]
    assert set(told) == {
        "role", "content", "name", "character_id", "interrupted", "heard", "source",
    }  # fmt: skip
    failed = HandlerFailed(TURN, "a", UserSaid(TURN, "x"), KeyError("secret"))
    assert writer.entry(failed, 0).data["error"] == "KeyError"


def test_the_microphones_audio_is_kept_once_and_found_by_its_hash() -> None:
    writer = LogWriter(0.0, keeps_audio=True)
    told = [
        writer.entry(AudioReceived(TURN, pcm), 0).data["pcm"]
        for pcm in (b"aa", b"bb", b"aa")
    ]  # fmt: skip
    assert bytes(writer.audio) == b"aabb"
    assert [one["start"] for one in told] == [0, 2, 0]
    assert told[0]["sha256"] == told[2]["sha256"]
    played = writer.entry(AudioReady(LINE, 0, b"cc"), 0).data["pcm"]
    assert "start" not in played
    assert bytes(writer.audio) == b"aabb"


def test_turns_are_counted_as_they_appear_and_forgotten_after_a_while() -> None:
    writer = LogWriter(0.0)
    turns = [Turn("c", number, str(number)) for number in (5, 9, 5)]
    assert [writer.entry(UserSaid(turn, ""), 0).turn for turn in turns] == [0, 1, 0]
    for number in range(100, 100 + 2 * TURNS):
        writer.entry(UserSaid(Turn("c", number), ""), 0)
    assert len(writer.turns) == TURNS
