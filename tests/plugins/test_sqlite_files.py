"""The files of the database: private, usable, and not emptied behind our back."""

from __future__ import annotations

# ruff: noqa: ASYNC240  (the disk is what is tested)
import errno
import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from aichat.core import CannotStart, Character
from aichat.plugins.sqlite import database_files as place
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio
posix = pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")


async def started(file: Path, name: str = "") -> list[str]:
    """Start and stop; return who is there. Somebody called *name* moves in first."""
    async with Sqlite(str(file)) as store:
        if name:
            await store.add_character(Character("", name))
        return [one.name for one in await store.characters()]


async def refusal(file: Path) -> CannotStart:
    with pytest.raises(CannotStart) as caught:
        async with Sqlite(str(file)):
            raise AssertionError
    assert "\n" not in caught.value.line
    return caught.value


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


# -- who may read it -----------------------------------------------------------------------------


@posix
async def test_the_database_and_its_logs_are_for_the_owner_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        async with Sqlite(str(file)) as store:
            await store.add_character(Character("", "Ann"))
            await store.add_clip(b"sound", "wav")
            found = sorted(file.parent.glob("aichat.db*"))
            assert [one.name for one in found] == [
                "aichat.db", "aichat.db-clips", "aichat.db-made", "aichat.db-shm", "aichat.db-wal",
            ]  # fmt: skip
            assert [mode(one) for one in found] == [0o600, 0o700, 0o600, 0o600, 0o600]
        assert mode(file.parent) == 0o700
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("loose", [0o644, 0o666, 0o640])
async def test_those_that_others_could_read_are_tightened(
    file: Path, loose: int, caplog: pytest.LogCaptureFixture
) -> None:
    await started(file)
    async with Sqlite(str(file)) as store:
        await store.add_clip(b"sound", "wav")
        for one in file.parent.glob("aichat.db*"):
            one.chmod(0o755 if one.is_dir() else loose)
        caplog.clear()
        async with Sqlite(str(file)):
            for one in ("aichat.db", "aichat.db-wal", "aichat.db-shm"):
                assert mode(file.with_name(one)) == 0o600
                assert f"Others could read {file.with_name(one)}" in caplog.text
            assert mode(file.with_name("aichat.db-clips")) == 0o700


@posix
async def test_a_data_folder_that_others_can_read_is_reported_and_left_alone(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.parent.chmod(0o755)
    await started(file)
    assert f"Run `chmod 700 {file.parent}`" in caplog.text
    assert mode(file.parent) == 0o755


# -- whether it can be used ----------------------------------------------------------------------


async def test_a_file_or_folder_in_the_wrong_place_is_explained(file: Path) -> None:
    file.parent.write_text("no folder")
    assert (await refusal(file)).problem == f"{file.parent} is a file, where a folder should be."
    assert f"{file.parent} is a file" in (await refusal(file.parent / "below" / "x.db")).problem
    file.parent.unlink()
    file.parent.symlink_to(file.parent.with_name("nothing"))
    assert f"{file.parent} is a link to nothing" in (await refusal(file)).problem
    file.parent.unlink()
    file.mkdir(parents=True)
    assert (await refusal(file)).problem == f"{file} is a folder, no database."
    file.rmdir()
    file.with_name("aichat.db-clips").write_text("no folder")
    assert (await refusal(file)).problem == f"{file}-clips is no folder."


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-clips"])
async def test_a_file_that_may_not_be_written_is_named_with_its_owner(
    file: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    await started(file)
    wanted = file.with_name(file.name + ending)
    if ending == "-clips":
        wanted.mkdir()
    else:
        wanted.touch()
    access = os.access
    monkeypatch.setattr(
        place.os, "access", lambda path, mode: Path(path) != wanted and access(path, mode)
    )
    error = await refusal(file)
    assert error.problem == f"{wanted} may not be read and written (it belongs to {owner()})."
    letters = "rwx" if ending == "-clips" else "rw"
    assert error.hint.startswith(f"Run `chmod u+{letters} {wanted}`, or set AICHAT_DATA")


def owner() -> str:
    return Path(__file__).owner() if os.name == "posix" else "another user"


async def test_a_folder_that_may_not_be_written_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir()
    monkeypatch.setattr(place.os, "access", lambda path, mode: False)
    assert (await refusal(file)).problem.startswith(f"{file.parent} may not be read and written")


@pytest.mark.parametrize(
    ("number", "mend"), [(errno.ENOSPC, "Make room on the disk"), (errno.EROFS, "Set AICHAT_DATA")]
)
async def test_a_full_or_locked_disk_is_explained(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int, mend: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(file))

    monkeypatch.setattr(place.os, "open", refuse)
    error = await refusal(file)
    assert error.problem == f"{file} cannot be used ({os.strerror(number)})."
    assert error.hint.startswith(mend)


# -- whether it is the one that was here ----------------------------------------------------------


@pytest.mark.parametrize("content", [None, b""])
async def test_a_first_start_fills_an_empty_place(file: Path, content: bytes | None) -> None:
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    assert len(await started(file)) > 1
    assert "Ann" in await started(file, "Ann")
    assert "Ann" in await started(file)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def without_tables(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("pragma user_version = 0")
        database.execute("create table x (y)")
        database.execute("drop table x")
        database.execute("vacuum")


@pytest.mark.parametrize(
    ("lose", "how"), [(emptied, "is empty"), (without_tables, "holds nothing")]
)
async def test_an_empty_database_in_place_of_one_with_content_is_not_filled(
    file: Path, lose: object, how: str
) -> None:
    await started(file, "Ann")
    lose(file)  # type: ignore[operator]
    error = await refusal(file)
    assert error.problem == (
        f"{file} {how}, but a database with content was here (see aichat.db-made beside it)."
    )
    assert error.hint == (
        "Put a backup of aichat.db in its place; or, to begin anew, move aichat.db-made away."
    )
    assert (await refusal(file)).problem == error.problem  # it was not filled meanwhile
    place.made(file).unlink()
    assert "Ann" not in await started(file)


@pytest.mark.parametrize("rest", ["-wal", "-clips"])
@pytest.mark.parametrize("how", ["is empty", "is missing"])
async def test_what_is_left_of_a_lost_database_is_kept(file: Path, rest: str, how: str) -> None:
    file.parent.mkdir()
    left = file.with_name(file.name + rest)
    if rest == "-clips":
        left.mkdir()
        (left / "a.wav").write_bytes(b"sound")
    else:
        left.write_bytes(b"pages")
    if how == "is empty":
        file.touch()
    error = await refusal(file)
    assert re.search(rf"{how}, .*see {left.name} beside", error.problem)
    assert error.hint.startswith(f"Move {left.name} away, then" if rest == "-wal" else "Put a")
    assert left.exists()
    left.rename(file.parent / "elsewhere")
    assert await started(file)


async def test_who_removes_the_database_begins_anew(file: Path) -> None:
    await started(file, "Ann")
    file.unlink()
    assert "Ann" not in await started(file)


async def test_a_crash_in_the_first_start_leaves_nothing_that_stops_the_next(file: Path) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database:
        database.execute("pragma journal_mode = wal")
    assert len(await started(file)) > 1


async def test_a_database_of_an_earlier_version_gets_its_mark(file: Path) -> None:
    await started(file, "Ann")
    place.made(file).unlink()
    assert "Ann" in await started(file)
    assert place.made(file).is_file()
