"""Recording a conversation: off unless asked for, private, bounded, and whole."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest

from aichat.core import BadSettings
from aichat.core.events import (
    AudioReceived,
    ConversationClosed,
    HandlerFailed,
    TurnFinished,
    UserSaid,
)
from aichat.core.testing.fakes import FakeStt, FakeTurn
from aichat.stages import recording
from aichat.stages.recording import LogGrew, Tape
from aichat.toolkit.event_log import EventLog, LogWriter, read_log
from support.chat import a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AICHAT_RECORD", str(tmp_path / "recordings"))
    return tmp_path / "recordings"


def files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern))


def contents(path: Path) -> bytes:
    return path.read_bytes()


def block(folder: Path) -> None:
    folder.write_text("a file, not a folder")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def the_log(folder: Path) -> EventLog:
    (path,) = files(folder, "*.jsonl")
    return read_log(path)


async def test_nothing_is_recorded_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICHAT_RECORD", raising=False)
    async with a_chat() as chat:
        await chat.say("@Olivia a secret")
        assert not chat.heard.of(LogGrew)
    assert not files(tmp_path)


async def test_a_recording_holds_everything_that_happened_in_order(folder: Path) -> None:
    async with a_chat() as chat:
        await chat.say("before the recording of another process")
        await chat.say("@Olivia hi")
    log = the_log(folder)
    heard = [type(e).__name__ for e in chat.heard.events if not e.internal]
    # the test's listener is the last to hear, so that events within events come in another place
    assert log.entries[0].event == UserSaid.__name__
    assert sorted(entry.event for entry in log.entries) == sorted(heard)
    assert [e.data["text"] for e in log.entries if e.event == UserSaid.__name__] == [
        "before the recording of another process", "@Olivia hi",
    ]  # fmt: skip
    assert [e.at for e in log.entries] == sorted(e.at for e in log.entries)
    assert {who.name for who in log.header.characters} == {"Olivia", "Mark", "Rosa"}
    assert log.header.messages == ()


async def test_only_its_owner_may_read_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICHAT_RECORD_AUDIO", "1")
    async with a_chat(stt=FakeStt("@Olivia hi"), turn=FakeTurn(end_ms=100)) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 20)
    assert [path.suffix for path in files(folder)] == [".jsonl", ".pcm"]
    assert {mode(path) for path in files(folder)} == {0o600}
    assert mode(folder) == 0o700


async def test_audio_is_left_out_unless_asked_for(folder: Path) -> None:
    async with a_chat(stt=FakeStt("@Olivia hi"), turn=FakeTurn(end_ms=100)) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 20)
    assert not files(folder, "*.pcm")
    log = the_log(folder)
    assert not log.header.has_audio
    pcm = next(e for e in log.entries if e.event == AudioReceived.__name__).data["pcm"]
    assert set(pcm) == {"bytes", "sha256"}


async def test_kept_audio_is_that_of_the_microphone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICHAT_RECORD_AUDIO", "1")
    async with a_chat(stt=FakeStt("@Olivia hi"), turn=FakeTurn(end_ms=100)) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 20)
    assert contents(files(folder, "*.pcm")[0]) == SPEECH + QUIET  # each once: the rest is the same
    starts = [
        entry.data["pcm"]["start"]
        for entry in the_log(folder).entries
        if entry.event == AudioReceived.__name__
    ]
    assert starts == [0] * 10 + [len(SPEECH)] * 20


async def test_what_was_said_before_stands_in_the_header(folder: Path) -> None:
    async with a_chat() as chat:
        await chat.say("@Olivia one")
        await anyio.sleep(1)
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        await chat.bus.settled()
        await chat.say("@Olivia two")
    logs = [read_log(path) for path in files(folder, "*.jsonl")]
    logs.sort(key=lambda log: len(log.header.messages))
    assert [[m.content for m in log.header.messages if m.role == "user"] for log in logs] == [
        [], ["@Olivia one"],
    ]  # fmt: skip
    assert logs[0].entries[-1].event == ConversationClosed.__name__


async def test_a_folder_that_cannot_be_written_is_told_once_and_the_talk_goes_on(
    folder: Path,
) -> None:
    block(folder)
    async with a_chat(failures=True) as chat:
        await chat.say("@Olivia one")
        await chat.say("@Olivia two")
        failed = [f for f in chat.heard.of(HandlerFailed) if "recording" in f.handler]
        assert len(failed) == 1
        assert "unset AICHAT_RECORD" in str(failed[0].error)
        assert len(chat.heard.of(TurnFinished)) == 2


async def test_a_wrong_switch_stops_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICHAT_RECORD_AUDIO", "yes")
    with pytest.raises(BadSettings, match="AICHAT_RECORD_AUDIO is 'yes'"):
        async with a_chat():
            pass


async def test_what_waits_for_a_slow_disk_is_bounded_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "WAITING_BYTES", 2_000)
    async with a_chat() as chat:
        turn = chat.bus.turn("c")
        tape = Tape(Path("unused"), LogWriter(0.0))
        for _ in range(100):
            tape.add(UserSaid(turn, "a" * 100), 1.0)
        assert 2_000 < tape.waiting < 2_500
        lost = tape.lost
        assert lost > 50
        tape.take()
        tape.add(UserSaid(turn, "b"), 2.0)
        told: list[Any] = [json.loads(line) for line in tape.take()[0].splitlines()]
    assert [(one["event"], one["told"].get("count")) for one in told] == [
        ("EventsLost", lost), ("UserSaid", None),
    ]  # fmt: skip
