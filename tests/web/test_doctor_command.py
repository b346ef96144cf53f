"""`litestar aichat doctor`: what it finds, what it tries, what it never shows, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from aichat.core import BackendFailed, Connection, Parts, Prompt, Voice, hookimpl, load_plugins
from aichat.core.registry.selection import Candidate, Role, State
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.web.app import Setup
from aichat.web.cli.doctor import devices, examine
from aichat.web.cli.doctor.report import Report, report_on
from aichat.web.cli.doctor.rounds import FREE_ONLY, try_parts
from aichat.web.serving.download_log import DownloadLog
from support.chat import Given, a_chat, a_store
from support.fake_hugging_face import a_hub

LITESTAR = Path(sys.executable).with_name("litestar")
SECRET = "sk-or-v1-nobody-may-read-this"


def doctor(folder: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [LITESTAR, "aichat", "doctor", *options],
        cwd=folder,
        env={**kept, "AICHAT_DATA": str(folder / "data"), "OPENROUTER_API_KEY": "", **more},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def lines_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{line['part']} {line['name']}": line for line in report["parts"]}


def test_it_tells_what_serves_and_why_the_others_do_not(tmp_path: Path) -> None:
    done = doctor(tmp_path, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path / "hub"))
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        "* llm        demo",
        "* tts        espeak",
        "  stt        faster_whisper   failed    The weights of base.en are not here",
        "weights base.en: missing",
        "  turn       smart_turn       failed    The weights of smart-turn-v3 are not here",
        "* turn       silence",
        "  storage    supabase         unused    not named in `use` under [storage]",
        "No API key",
        "OPENROUTER_API_KEY: not set",
        "CPU: ",
        "ms: first sound",
        "ms: a message kept",
        "Every part has a backend.",
    ):
        assert told in done.stdout


def test_a_data_folder_that_others_can_read_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    (tmp_path / "plugins.toml").write_text('[llm]\nuse = "demo"\n[stt]\nuse = "pocketsphinx"\n')
    done = doctor(tmp_path)
    assert f"data: {folder}\nWarning: Others on this machine can see what is in" in done.stdout
    folder.chmod(0o700)
    report = json.loads(doctor(tmp_path, "--json").stdout)
    assert (report["data"], report["warnings"]) == (str(folder), [])


def test_as_json_with_weights_on_their_way_and_a_key_that_is_never_shown(tmp_path: Path) -> None:
    with a_hub() as hub:
        hub.add("Systran/faster-whisper-base.en", {"model.bin": bytes(3_000_000)})
        hub.held.clear()
        done = doctor(
            tmp_path, "--json", OPENROUTER_API_KEY=SECRET, **hub.environment(tmp_path / "hub")
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["keys"]["OPENROUTER_API_KEY"] is True
    lines = lines_of(report)
    whisper = lines["stt faster_whisper"]
    assert (whisper["state"], whisper["serving"]) == ("starting", False)
    assert whisper["detail"].startswith("weights: ")
    assert whisper["weights"][0]["repository"] == "Systran/faster-whisper-base.en"
    assert lines["stt pocketsphinx"]["serving"]
    assert "speech, heard as" in lines["stt pocketsphinx"]["round"]["what"]
    for who in ("vad silero", "turn silence", "tts espeak", "sequencer in_order", "storage sqlite"):
        assert lines[who]["round"]["ms"] > 0
    paid = lines["llm openai"]
    assert (paid["serving"], paid["charges"], paid["round"]["ms"]) == (True, True, None)
    assert "--paid tries it" in paid["round"]["problem"]


def test_it_ends_with_status_1_when_a_part_has_nobody(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    llm = shipped.replace('use = ["openai", "ctranslate2", "demo"]', 'use = ["openai"]')
    (tmp_path / "plugins.toml").write_text(llm.replace('"faster_whisper", ', ""))
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "Parts without a backend: llm." in done.stdout
    assert "  llm        demo             unused    not named in `use` under [llm]" in done.stdout


def test_broken_settings_are_told_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugins.toml").write_text("[tts")
    monkeypatch.setenv("AICHAT_CONFIG", str(tmp_path / "plugins.toml"))
    with pytest.raises(SystemExit) as ended:
        examine()
    assert ended.value.code == 1
    assert "is not TOML" in capsys.readouterr().err
    assert not examine(as_json=True)
    problem = json.loads(capsys.readouterr().out)
    assert not problem["ok"]
    assert "is not TOML" in problem["problem"]


def test_downloads_are_told_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    ears = Candidate("stt", "ears", object)
    parts = Parts({"stt": Role("stt", [ears])}, watchers=[])
    parts.watchers.append(DownloadLog(parts).look)
    ears.changed = parts.changed
    ears.become(State.STARTING)
    for done in range(4):
        ears.become(State.STARTING, f"weights: {done} of 75 MB")
    ears.become(State.READY)
    ears.become(State.READY)
    assert capsys.readouterr().err.splitlines() == [
        "stt ears: weights: 0 of 75 MB",
        "stt ears: the weights are here, it is ready",
    ]


# -- rounds ----------------------------------------------------------------------------------


class Costly(FakeLlm):
    charges = True


@pytest.mark.anyio
async def test_what_costs_money_is_tried_only_when_that_is_wanted() -> None:
    llm = Costly()
    async with a_chat(llm=llm) as chat:
        free = await try_parts(chat.parts, paid=False)
        assert llm.asked == []
        assert (free["llm"].problem, free["llm"].is_broken) == (FREE_ONLY, False)
        assert free["stt"].ms is not None
        paid = await try_parts(chat.parts, paid=True)
        assert len(llm.asked) == 1
        assert paid["llm"].ms is not None


@pytest.mark.anyio
async def test_a_part_that_fails_is_told_and_the_others_are_tried() -> None:
    class Broken(FakeLlm):
        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            raise BackendFailed("It is on fire.", "Put it out.")
            yield ""

    class Mute(FakeTts):
        async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
            return
            yield b""

    async with a_chat(llm=Broken(), tts=Mute()) as chat:
        results = await try_parts(chat.parts, paid=False)
    assert (results["llm"].problem, results["llm"].is_broken) == (
        "It is on fire. Put it out.",
        True,
    )
    assert "it said nothing" in results["tts"].problem
    assert results["stt"].problem == "not tried, because no voice spoke for it"
    assert not results["stt"].is_broken
    assert results["storage"].ms is not None


@pytest.mark.anyio
async def test_it_leaves_nothing_in_the_store() -> None:
    async with a_chat() as chat:
        before = await chat.store.conversations()
        await try_parts(chat.parts, paid=False)
        assert await chat.store.conversations() == before


# -- devices ---------------------------------------------------------------------------------


def test_torch_is_asked_only_if_something_has_loaded_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "version", lambda name: "2.13.0")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert devices._torch(has_cards=True) == "2.13.0, loaded by nothing, may use CUDA"
    assert "torch" not in sys.modules
    cuda = SimpleNamespace(is_available=lambda: True)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert devices._torch(has_cards=True) == "2.13.0, uses CUDA"


def test_the_cards_are_those_that_the_driver_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "CUDA: NVIDIA H100 80GB HBM3, 81559 MiB" in list(devices.devices())
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert "CUDA: no NVIDIA driver answers" in list(devices.devices())


def test_a_plugin_that_answers_wrong_who_comes_in_is_named() -> None:
    class Careless:
        @hookimpl
        def authenticate(self, connection: Connection) -> Any:
            return True

    async def main() -> Report:
        given = Given(storage=await a_store())
        setup = Setup(given.config(), load_plugins(extra=[given, Careless()]))
        async with a_chat() as chat:
            return report_on(setup, chat.parts, {})

    report = anyio.run(main)
    assert not report.ok
    assert len(report.logins) == 1
    assert "Careless: authenticate returned bool." in report.logins[0]


def test_no_login_of_an_address_is_shown(tmp_path: Path) -> None:
    login = "me:hunter2-is-the-secret"
    at = f"http://{login}@127.0.0.1:9"
    toml = f"""
[vad]
use = "silero"
[turn]
use = "silence"
[sequencer]
use = "in_order"
[storage]
use = "sqlite"
[llm]
use = ["openai", "demo"]
openai = {{ base_url = "{at}/v1?api_key=hunter2-is-the-secret", model = "m" }}
[stt]
use = ["openai", "faster_whisper", "pocketsphinx"]
openai = {{ base_url = "{at}/v1", key_origin = "http://{login}@else.example" }}
[tts]
use = ["openai", "espeak"]
openai = {{ base_url = "{at}/v1" }}
"""
    (tmp_path / "plugins.toml").write_text(toml)
    environment = {
        "HF_ENDPOINT": at,
        "HTTPS_PROXY": at,
        "HTTP_PROXY": at,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "DATABASE_URL": f"postgres://{login}@127.0.0.1:9/x",
        "SUPABASE_URL": at,
    }
    done = doctor(tmp_path, "--paid", "--json", **environment)
    told = done.stdout + done.stderr
    assert "hunter2" not in told
    assert login not in told
    assert "127.0.0.1" in told  # where it looked
    assert "else.example" in told
