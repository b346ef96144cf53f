"""What a killed process left is swept; what anybody else may need is not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aichat.toolkit import temporary_files
from aichat.toolkit.file_permissions import exposed, tighten

GONE = 2**22 + 1
"""An id beyond those that Linux gives to processes."""


def name(beginning: str, *, host: str = "", process: int = 0, run: str = "00000000") -> str:
    return f"{beginning}{host or temporary_files.HOST}-{process or GONE}-{run}-x"


def test_only_what_is_surely_left_is_swept(tmp_path: Path) -> None:
    parent = os.getppid()
    kept = [
        f"draft-{temporary_files.mark()}mine",
        name("draft-", process=parent),
        name("draft-", host="ffff" if temporary_files.HOST != "ffff" else "0000"),
        name("other-"),
        "draft-old",
        "draft-1234",
        f"draft-{'9' * 30}-1-00000000-x",
    ]
    gone = [name("draft-"), name("draft-", process=os.getpid()), name("draft-", run="12ab34cd")]
    for one in (*kept, *gone):
        (tmp_path / one).write_text("x")
    (tmp_path / name("draft-", run="aaaaaaaa")).mkdir()
    (tmp_path / name("draft-", run="aaaaaaaa") / "inside").write_text("x")
    link = tmp_path / name("draft-", run="bbbbbbbb")
    link.symlink_to(tmp_path / "draft-old")
    assert temporary_files.sweep(tmp_path, "draft-") == 4
    assert {one.name for one in tmp_path.iterdir()} == {*kept, link.name}
    assert temporary_files.sweep(tmp_path / "nowhere", "draft-") == 0


def test_another_users_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name("draft-")).write_text("x")
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert temporary_files.sweep(tmp_path, "draft-") == 0


@pytest.mark.parametrize("what", ["espeak", "frontend", "pocket"])
def test_the_folders_of_a_killed_process_go_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    program = "import os, signal; from aichat.toolkit.temporary_files import folder_for\n"
    program += f"print(folder_for({what!r}), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    folder = Path(done.stdout.strip())
    assert folder.is_dir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = Path(temporary_files.folder_for(what))
    (tmp_path / "aichat-espeak-of-somebody").mkdir()
    assert temporary_files.sweep_temporary() == 1
    assert not folder.exists()
    assert ours.is_dir()
    assert (tmp_path / "aichat-espeak-of-somebody").is_dir()


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(("mode", "is_exposed"), [(0o755, True), (0o750, True), (0o730, True)])
def test_a_folder_that_others_can_use_is_reported(
    tmp_path: Path, mode: int, is_exposed: bool
) -> None:
    tmp_path.chmod(mode)
    assert f"chmod 700 {tmp_path}" in exposed(tmp_path)
    assert f"{mode:o}" in exposed(tmp_path)
    for private in (0o700, 0o711, 0o500):
        tmp_path.chmod(private)
        assert exposed(tmp_path) == ""
    tmp_path.chmod(0o700)
    assert exposed(tmp_path / "nowhere") == ""


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_only_our_files_are_tightened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o664)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
        assert tighten(file) is False
    assert tighten(file) is True
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tighten(file) is False
