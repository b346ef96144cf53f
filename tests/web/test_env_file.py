""".env, however it was saved, is read; what cannot be read is explained in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
