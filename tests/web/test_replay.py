"""A recorded conversation is played again: the same with the same engines, or with others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aichat.core import BadValue, Bus, load_plugins, open_chat
from aichat.core import events as all_events
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReceived,
    Event,
    InterimAudio,
    Interrupted,
    LineInterrupted,
    UserSaid,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn
from aichat.core.testing.simulated_user import SimulatedUser
from aichat.toolkit.event_log import RENAMED, EventLog, LogWriter, read_log
from aichat.web.cli.replay import kept_audio
from aichat.web.cli.replay_feeder import Feeder, replay
from support.chat import Given, a_store, all_ready
from support.simulated_engines import engines

pytestmark = pytest.mark.usefixtures("quiet_log")


async def record(backends: dict[str, Any], minutes: float, seed: int) -> None:
    """Let a simulated user talk; the plug-in records as the environment says."""
    given = Given(storage=await a_store(), **backends)
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, parts):
        await all_ready(parts)
        await SimulatedUser(bus, "c", types=0.3, seed=seed).talk(minutes)
        await bus.settled()


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, *, audio: bool, seed: int = 8) -> Path:
    """Record three minutes; return the file."""
    monkeypatch.setenv("AICHAT_RECORD", str(folder))
    monkeypatch.setenv("AICHAT_RECORD_AUDIO", "1" if audio else "0")
    run_virtual(partial(record, engines(seed, 0.0), 3, seed), seed=seed)
    monkeypatch.delenv("AICHAT_RECORD")
    (path,) = folder.glob("*.jsonl")
    return path


def replayed(path: Path, backends: dict[str, Any]) -> tuple[EventLog, Feeder]:
    """Play a recording on virtual time; return the log of the replay."""
    log = read_log(path)
    given = Given(**backends)
    manager = load_plugins(["recording"], extra=[given])
    entries: list[Any] = []

    def listen(bus: Bus) -> None:
        writer = LogWriter(bus.clock.now())

        def note(event: Event) -> None:
            if not event.internal:
                entries.append(writer.entry(event, bus.clock.now()))

        bus.tap(note)

    feeder = run_virtual(
        replay, log, kept_audio(path, log), given.config(), manager, listen, seed=1
    )
    return EventLog(log.header, tuple(entries)), feeder


def by_kind(log: EventLog) -> dict[str, list[Any]]:
    """What happened, kind by kind: moments to the ms, and audio without its place in the file."""
    kinds = defaultdict(list)
    for entry in log.entries:
        told = {name: value for name, value in entry.data.items() if name not in ("due", "began")}
        if entry.event == AudioReceived.__name__:
            told = {"sha256": entry.data["pcm"]["sha256"]}
        kinds[entry.event].append((round(entry.at, 3), entry.turn, entry.place, rounded(told)))
    return dict(kinds)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("seed", [5, 8])
def test_the_same_engines_give_the_recorded_conversation_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=True, seed=seed)
    again, feeder = replayed(path, engines(seed, 0.0))
    first, second = by_kind(read_log(path)), by_kind(again)
    assert len(first[UserSaid.__name__]) > 8
    assert first[Interrupted.__name__]
    assert feeder.skipped == 0
    assert set(first) == set(second)
    for kind, events in first.items():
        assert second[kind] == events, kind


def test_an_old_recording_names_events_as_they_were_called_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=True)
    today = read_log(path).entries
    text = path.read_text()
    assert f'"{InterimAudio.__name__}"' in text
    path.write_text(text.replace(f'"{InterimAudio.__name__}"', '"UtteranceGrew"'))
    assert read_log(path).entries == today
    _, feeder = replayed(path, engines(8, 0.0))
    assert feeder.skipped == 0


def test_positions_that_no_loudspeaker_has_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=False)
    odd, skipped = iter(["NaN", "-5", "1e300", "Infinity", '"3"', "null"]), 0
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines):
        if '"event": "LinePlayed"' in line and (value := next(odd, None)):
            lines[number] = re.sub(r'"played_ms": [^,}]+', f'"played_ms": {value}', line)
            skipped += 1
    path.write_text("\n".join(lines))
    again, feeder = replayed(path, engines(8, 0.0))
    assert feeder.skipped >= skipped == 6
    assert "HandlerFailed" not in {entry.event for entry in again.entries}


def test_every_old_name_of_an_event_leads_to_an_event_of_today() -> None:
    assert not set(RENAMED) & set(vars(all_events))
    assert set(RENAMED.values()) <= set(vars(all_events))


def test_other_engines_answer_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=True)
    other = {
        "llm": FakeLlm("Quite another model, I am."),
        "stt": FakeStt("@Olivia something else"),
        "turn": FakeTurn(end_ms=300, barge_in_ms=250),
        "tts": FakeTts(),
    }
    again, _ = replayed(path, other)
    texts = {entry.data["text"] for entry in again.entries if entry.event == "ReplyFinished"}
    assert "Quite another model, I am." in {text.strip() for text in texts}
    said = [e.data["text"] for e in again.entries if e.event == UserSaid.__name__]
    assert set(said) == {"@Olivia something else", "a typed question"}


def test_without_audio_the_transcripts_are_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=False)
    again, _ = replayed(path, engines(8, 0.0))
    first = read_log(path)

    def said(log: EventLog) -> list[tuple[float, str, str]]:
        return [
            (round(e.at, 3), e.data["text"], e.data["source"])
            for e in log.entries
            if e.event == UserSaid.__name__
        ]

    assert said(again) == said(first)
    assert not [e for e in again.entries if e.event == AudioReceived.__name__]

    def broken(log: EventLog) -> int:
        stops = (Interrupted.__name__, LineInterrupted.__name__)
        return sum(e.event in stops and e.data["reason"] != "new_turn" for e in log.entries)

    assert broken(again) == broken(first) > 0


def test_an_utterance_that_joined_a_message_joins_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=False)
    lines = path.read_text().split("\n")
    said = [number for number, line in enumerate(lines) if '"event": "UserSaid"' in line]
    lines[said[1]] = lines[said[1]].replace('"joins": null', '"joins": 0')
    path.write_text("\n".join(lines))
    again, _ = replayed(path, engines(8, 0.0))
    joins = [e.data["joins"] is not None for e in again.entries if e.event == UserSaid.__name__]
    assert joins == [number == said[1] for number in said]
    added = [e.data["message"] for e in again.entries if e.event == "MessageAdded"]
    assert sum(one["role"] == "user" for one in added) == len(said)


def test_audio_that_is_missing_or_not_the_recordings_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, monkeypatch, audio=True)
    pcm = path.with_suffix(".pcm")
    pcm.write_bytes(bytes(len(pcm.read_bytes())))
    with pytest.raises(BadValue, match="does not hold the audio at"):
        replayed(path, engines(8, 0.0))
    pcm.unlink()
    with pytest.raises(BadValue, match=r"\.pcm cannot be read"):
        replayed(path, engines(8, 0.0))


TOML = """
[vad]
use = "silero"
[turn]
use = "silence"
[stt]
use = ["pocketsphinx"]
[llm]
use = "demo"
[tts]
use = "espeak"
[sequencer]
use = "in_order"
[storage]
use = "sqlite"
"""


def command(*args: str, data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "litestar", "aichat", "replay", *args],
        capture_output=True, text=True, timeout=100, cwd=data,
        env={**os.environ, "AICHAT_DATA": str(data), **environment},
    )  # fmt: skip


def test_the_command_plays_with_the_products_backends_and_prints_waterfalls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path / "recordings", monkeypatch, audio=False)
    few = path.read_text().splitlines()
    first = next(i for i, line in enumerate(few) if '"UserSaid"' in line)
    said = json.loads(few[first])
    said["told"]["text"] = "@Olivia hello"
    path.write_text("\n".join([*few[:first], json.dumps(said)]) + "\n")
    (tmp_path / "other.toml").write_text(TOML)
    done = command(
        str(path), "--config", str(tmp_path / "other.toml"), "--speed", "max", data=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "You: @Olivia hello" in done.stdout
    assert "Olivia: " in done.stdout
    assert "first_audio" in done.stdout
    assert not list(tmp_path.glob("*.db*")), "a replay stores nothing"


def test_the_command_names_the_line_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path / "recordings", monkeypatch, audio=False)
    path.write_text(path.read_text()[:-20])
    done = command(str(path), data=tmp_path)
    assert done.returncode == 1
    assert "is not JSON" in done.stderr
    assert "line " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_needs_no_test_packages() -> None:
    program = (
        "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None; "
        "import aichat.web.cli.replay; print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr
