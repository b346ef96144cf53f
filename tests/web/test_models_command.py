"""`litestar aichat models` against a hub that cuts: list, download, go on, remove."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from attrs import define
from click.testing import CliRunner

from aichat.plugins.ctranslate2 import speed
from aichat.toolkit import downloads
from aichat.toolkit.model_choices import Rate
from aichat.web.cli.models import models
from support.fake_hugging_face import Hub, a_hub

LITESTAR = Path(sys.executable).with_name("litestar")
BIG = Random(7).randbytes(3_000_000)
SETTINGS = (
    '[stt]\nuse = ["faster_whisper", "pocketsphinx"]\n[stt.faster_whisper]\nmodel = "me/ears"\n'
)


@define
class Terminal:
    """Where somebody types commands."""

    folder: Path
    hub: Hub

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run a command in a process of its own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        return subprocess.Popen(
            [LITESTAR, "aichat", "models", *words],
            cwd=self.folder,
            env={**kept, **self.hub.environment(self.folder / "hub")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, *words: str, answer: str = "") -> tuple[int, str]:
        """Run a command in this process, which takes less long."""
        done = CliRunner().invoke(models, words, input=answer)
        return done.exit_code, done.output


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    begin, end = shipped.index("[stt]"), shipped.index("[llm]")
    (tmp_path / "plugins.toml").write_text(shipped[:begin] + SETTINGS + shipped[end:])
    with a_hub() as hub:
        hub.add("me/ears", {"model.bin": BIG, "config.json": b"{}"})
        hub.use(monkeypatch, tmp_path / "hub")
        monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.01)
        monkeypatch.setenv("AICHAT_CONFIG", str(tmp_path / "plugins.toml"))
        yield Terminal(tmp_path, hub)


def test_weights_are_listed_fetched_with_resume_and_removed(terminal: Terminal) -> None:
    status, said = terminal.type("list")
    assert status == 0
    assert re.search(r"^\* stt +faster_whisper +me/ears +missing ", said, re.MULTILINE)
    assert re.search(r"^\* turn +smart_turn +smart-turn-v3 +missing ", said, re.MULTILINE)
    assert len({line.index("missing") for line in said.splitlines()[:-1]}) == 1

    terminal.hub.cuts = [1_200_000, *[0] * 4]
    status, said = terminal.type("download", "me/ears")
    assert status == 0, said
    assert terminal.hub.ranges() == ["bytes=0-", *["bytes=1200000-"] * 5]
    told = [float(size) for size in re.findall(r"([\d.]+) MB of 3\.0 MB", said)]
    assert told == sorted(told)  # it never begins anew
    assert told[-1] == 3.0
    assert "me/ears is here, and checked: " in said

    assert "me/ears is here: " in terminal.type("download", "me/ears")[1]
    assert re.search(r"me/ears +here, 3\.0 MB", terminal.type("list")[1])

    status, said = terminal.type("remove", "me/ears", answer="n\n")
    assert status == 1
    assert "Delete " in said
    assert (terminal.folder / "hub" / "models--me--ears").exists()
    assert terminal.type("remove", "me/ears", "--yes") == (
        0,
        "me/ears is deleted: 3.0 MB are free.\n",
    )
    assert terminal.type("remove", "me/ears", "--yes") == (0, "me/ears is not here.\n")


def test_a_download_that_is_stopped_by_hand_goes_on_next_time(terminal: Terminal) -> None:
    terminal.hub.held.clear()
    process = terminal.start("download", "me/ears")
    partial = terminal.folder / "hub" / "models--me--ears" / "blobs"
    end = time.monotonic() + 120
    while not (partial.exists() and any(f.stat().st_size for f in partial.iterdir())):
        assert time.monotonic() < end, process.poll()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "What came is kept: run it again to go on." in said
    assert "partly here, " in terminal.type("list")[1]
    terminal.hub.held.set()
    status, said = terminal.type("download", "me/ears")
    assert status == 0, said
    assert terminal.hub.ranges()[-1] not in ("", "bytes=0-")


def test_a_model_that_is_not_in_use_is_fetched_by_its_name(terminal: Terminal) -> None:
    terminal.hub.add("Systran/faster-whisper-tiny.en", {"model.bin": BIG})
    status, said = terminal.type("download", "tiny.en")
    assert status == 0, said
    assert "tiny.en is here, and checked: " in said
    assert terminal.type("remove", "tiny.en", "--yes")[0] == 0


def test_a_recommended_model_says_how_large_and_how_fast_it_is_before_it_comes(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "measured", lambda placement: Rate(write=8_710, read=522_600))
    terminal.hub.add("jncraton/Qwen3-1.7B-ct2-int8", {"model.bin": BIG, "config.json": b"{}"})
    listed = terminal.type("list")[1]
    assert re.search(r"ctranslate2 +qwen3-1.7b-ct2 +missing +1742 MB, Apache-2.0", listed)
    status, said = terminal.type("download", "qwen3-1.7b-ct2")
    assert status == 0, said
    assert "1742 MB, Apache-2.0" in said
    assert said.index("about 5 tokens/s (faster than speech)") < said.index("3.0 MB of 3.0 MB")
    assert re.search(r"qwen3-1.7b-ct2 +here, 3\.0 MB", terminal.type("list")[1])


def test_what_cannot_be_had_is_told_with_the_mend(terminal: Terminal) -> None:
    status, said = terminal.type("download", "me/earz")
    assert status == 1
    assert "No backend needs 'me/earz'" in said
    assert "Did you mean 'me/ears'?" in said
    terminal.hub.files.clear()
    status, said = terminal.type("download", "me/ears")
    assert status == 1
    assert "me/ears could not be downloaded" in said
    assert "Traceback" not in said
