"""`litestar run` and `litestar aichat` as a newcomer runs them, and what they say when it fails."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.free_ports import free_port
from support.in_process_server import a_server
from support.litestar_command import LITESTAR, environment, running, wait_for


def failing(folder: Path, port: int | None = None) -> str:
    """Run a start that fails; return what it printed."""
    done = subprocess.run(
        [LITESTAR, "run", "--port", str(port or free_port())],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return said


def test_it_runs_from_any_folder_prints_its_address_and_stops_when_told(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, PORT=str(port)) as process:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout
        said = process.stdout.read()
    assert f"aichat is at http://127.0.0.1:{port}" in said
    assert "Traceback" not in said
    assert (tmp_path / "data" / "aichat.db").exists()


def test_a_dot_env_in_the_working_directory_is_read(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"PORT={port}\n")
    with running(tmp_path) as process:
        wait_for(f"http://127.0.0.1:{port}/health", process)


def test_a_port_in_use_is_told_in_one_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = failing(tmp_path, port)
    assert f"127.0.0.1:{port} cannot be used" in said
    assert "Hint: Stop what uses it" in said


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("[tts]", "[tts", ["is not TOML"]),
        ('"espeak"]', '"espaek"]', ["[tts]", "Did you mean 'espeak'"]),
        ("[tts]", "[tss]", ["'tss'", "Did you mean 'tts'"]),
        ("port = 8000", 'port = "many"', ["[web] port", "0 to 65535"]),
        ("end_ms", "end_sm", ["[turn.silence]", "end_sm", "Did you mean 'end_ms'"]),
        ("end_ms = 600", 'end_ms = "x"', ["[turn.silence] end_ms", "int"]),
        ("disable = []", 'disable = ["espaek"]', ["disable", "Did you mean 'espeak'"]),
    ],
)
def test_a_broken_plugins_toml_is_told_in_one_message(
    tmp_path: Path, right: str, wrong: str, words: list[str]
) -> None:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    assert right in shipped
    (tmp_path / "plugins.toml").write_text(shipped.replace(right, wrong))
    said = failing(tmp_path)
    for word in words:
        assert word in said
    assert said.count("Hint:") == 1


def test_a_store_that_cannot_open_stops_the_start_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    said = failing(tmp_path)
    assert "storage" in said
    assert "Hint:" in said


def test_threads_give_way_within_a_millisecond_while_the_application_is_open_anywhere() -> None:
    before = sys.getswitchinterval()
    with a_server():
        assert sys.getswitchinterval() == pytest.approx(0.001)
    assert sys.getswitchinterval() == before
