"""Which voice backend serves, and why: on the pages, in the data folder, from the doctor."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import httpx
import pytest

from aichat.core import Backend, CannotStart, Voice, hookimpl, load_plugins
from aichat.core.registry.config import Part
from aichat.core.testing.simulated_backends import SimulatedTts
from aichat.web.app import Setup
from aichat.web.cli.doctor import _examined
from support.chat import Given, a_store
from support.in_process_server import a_server
from support.waiting import soon

USE = {"tts": Part(("missing", "slow", "given"))}
TOO_SLOW = "too slow on this machine: "


class Missing(SimulatedTts):
    async def __aenter__(self) -> Missing:
        raise CannotStart("Its package is missing.", "Run `pip install it`.")

    async def __aexit__(self, *error: object) -> None:
        pass


class Slow(SimulatedTts):
    speed_key = "model 1"
    asked = 0

    def __init__(self) -> None:
        super().__init__(first=0, real_time_factor=3, ms_per_word=80)

    def speak(self, text: str, voice: Voice):  # type: ignore[no-untyped-def]
        Slow.asked += 1
        return super().speak(text, voice)


class Offers:
    """A plug-in that offers two voices."""

    def __init__(self, name: str, make: type) -> None:
        self.tts_backend = hookimpl(lambda: Backend(name, make))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AICHAT_DATA", str(tmp_path))
    Slow.asked = 0
    return tmp_path


def plugins() -> list[object]:
    return [Offers("missing", Missing), Offers("slow", Slow)]


def test_the_pages_say_which_serves_and_why_none_before_it_and_it_is_measured_once(
    data: Path,
) -> None:
    kept = data / "voice-speeds.json"
    with a_server(plugins=plugins(), parts=USE) as server:
        soon(kept.exists)
        soon(lambda: TOO_SLOW in httpx.get(f"{server.url}/voices").text)
        page = httpx.get(f"{server.url}/voices").text
        assert "<code>given</code> speaks now." in page
        assert (
            "<code>missing</code>: Its package is missing. Run <code>pip install it</code>." in page
        )
        assert f"<code>slow</code>: {TOO_SLOW}" in page
        assert TOO_SLOW in httpx.get(f"{server.url}/speech").text
    assert json.loads(kept.read_text())["slow"]["factor"] > 2
    asked = Slow.asked
    with a_server(plugins=plugins(), parts=USE) as server:
        soon(lambda: TOO_SLOW in httpx.get(f"{server.url}/voices").text)
    assert Slow.asked == asked == 2  # once to be warm


def test_the_doctor_measures_again_and_says_why(data: Path) -> None:
    kept = data / "voice-speeds.json"
    kept.write_text('{"slow": {"factor": 0.1, "key": "model 1", "machine": "another"}}')
    given = Given(storage=anyio.run(a_store))
    config = given.config()
    config.parts.update(USE)  # type: ignore[attr-defined]
    report = anyio.run(_examined, Setup(config, load_plugins(extra=[given, *plugins()])), False)
    lines = {line.name: line for line in report.parts if line.part == "tts"}
    assert [name for name, line in lines.items() if line.serving] == ["given"]
    assert TOO_SLOW in lines["slow"].detail
    assert "Its package is missing" in lines["missing"].detail
    assert json.loads(kept.read_text())["slow"]["factor"] > 2
