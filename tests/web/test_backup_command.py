"""`litestar aichat backup` as a user runs it, beside a server that runs."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from aichat.core.testing.storage.contract import contents, say, started
from aichat.plugins.sqlite.store import Sqlite
from support.free_ports import free_port
from support.litestar_command import LITESTAR, environment, running, wait_for

pytestmark = pytest.mark.anyio


def back_up(folder: Path, file: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LITESTAR, "aichat", "backup", file],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


async def test_a_backup_is_made_while_the_server_runs_and_opens_as_a_store(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, PORT=str(port)) as process:
        await anyio.to_thread.run_sync(wait_for, f"http://127.0.0.1:{port}/health", process)
        async with Sqlite(str(tmp_path / "data" / "aichat.db")) as store:
            conversation = await started(store, "olivia-barns-001")
            await store.add_message(say(conversation, "Remember me"))
            key = await store.add_clip(b"sound", "wav")
        done = await anyio.to_thread.run_sync(back_up, tmp_path, "backup.zip")
        assert process.poll() is None
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 characters, 3 voices, 1 conversations, 1 messages and 1 clips" in done.stdout
    assert "To go back to it" in done.stdout
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        archive.extractall(tmp_path / "again")
    async with Sqlite(str(tmp_path / "again" / "aichat.db")) as store:
        assert await contents(store, conversation) == ["Remember me"]
        assert await store.clip(key) == b"sound"


async def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    async with Sqlite(str(tmp_path / "data" / "aichat.db")):
        pass
    (tmp_path / "mine").write_text("mine")
    done = back_up(tmp_path, "mine")
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert done.stderr.count("Hint:") == 1
    assert "Traceback" not in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"


def test_no_database_is_no_backup(tmp_path: Path) -> None:
    done = back_up(tmp_path, "backup.zip")
    assert done.returncode == 1
    assert "There was no database" in done.stderr
    assert not (tmp_path / "backup.zip").exists()


def test_a_store_without_a_backup_of_its_own_says_so(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    changed = shipped.replace('use = ["sqlite"]', 'use = ["elsewhere"]')
    (tmp_path / "plugins.toml").write_text(changed)
    package = tmp_path / "elsewhere-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[aichat]\nelsewhere = elsewhere\n")
    (tmp_path / "elsewhere.py").write_text(
        "from aichat.core import Backend, hookimpl\n"
        "from aichat.core.memory_storage import MemoryStorage\n"
        "@hookimpl\n"
        "def storage_backend():\n"
        "    return Backend('elsewhere', MemoryStorage)\n"
    )
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    done = back_up(tmp_path, "backup.zip", PYTHONPATH=path)
    assert done.returncode == 1
    assert "'elsewhere' has no backup of its own" in done.stderr
    assert "Hint: Use the tools of its database" in done.stderr
