""".env, however it was saved, is read; what cannot be read is explained in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.in_process_server import a_server

LITESTAR = Path(sys.executable).with_name("litestar")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if k not in ("PORT", "HOST", "AICHAT_CONFIG")}
    environment = {**known, "AICHAT_DATA": str(folder / "data")}
    return subprocess.run(
        [LITESTAR, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_it_is_read_in_any_unicode_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_bytes("PORT=from-the-file\r\n# é\r\n".encode(encoding))
    done = run(tmp_path, "run")
    assert "PORT in the environment is 'from-the-file'." in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"A=1\nNAME=Zo\xeb\n", 2), (b"A=1\n\nB=\x80\n", 3), (b"A=1\nB=2\n\0", 3)],
)
def test_what_cannot_be_read_is_explained(tmp_path: Path, data: bytes, line: int) -> None:
    (tmp_path / ".env").write_bytes(data)
    for words in (["run"], ["aichat", "token", "list"]):
        done = run(tmp_path, *words)
        assert done.returncode == 1
        assert f"aichat cannot start: {tmp_path}/.env, line {line}: " in done.stderr
        assert "Hint: Save the file as UTF-8" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_line_that_is_no_setting_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("this is no setting\nPORT=from-the-file\n", "utf-8")
    done = run(tmp_path, "run")
    assert f"{tmp_path}/.env, line 1 is left out: it is no setting." in done.stderr
    assert "PORT in the environment is 'from-the-file'." in done.stderr
    assert "dotenv" not in done.stderr


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_plugins_toml_that_is_no_file_is_not_passed_over(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "plugins.toml"
    if kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(tmp_path / "nothing")
    done = run(tmp_path, "run")
    assert done.returncode == 1
    assert f"aichat cannot start: {place} cannot be read" in done.stderr


def test_wrong_proxies_are_reported_like_other_mistakes(tmp_path: Path) -> None:
    text = '[web]\ntrusted_proxies = ["x"]\nport = -1\n'
    (tmp_path / "plugins.toml").write_text(text, "utf-8")
    done = run(tmp_path, "run")
    assert "plugins.toml has 2 mistakes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_trying_again_reads_it_as_the_start_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AICHAT_NEW_KEY", "")  # is put back afterwards
    monkeypatch.delenv("AICHAT_NEW_KEY")
    (tmp_path / ".env").write_bytes("AICHAT_NEW_KEY=é\n".encode(encoding))
    with a_server() as server:
        what = {"part": "llm", "name": "fake"}
        answer = httpx.post(f"{server.url}/settings/retry", data=what, trust_env=False)
    assert answer.status_code == 400
    found = "line 1: these bytes are not UTF-8." in answer.text
    assert (os.environ.get("AICHAT_NEW_KEY"), found) == (
        ("é", False) if encoding == "utf-16" else (None, True)
    )
