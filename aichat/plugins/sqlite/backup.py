"""A copy of everything in one zip file, made while the database is used.

It holds ``aichat.db`` and the folder ``aichat.db-clips``: unpacked into an empty data folder, it is
that store again. Each function takes the disk's time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from aichat.core import Conflict, NotFound, Unreachable
from aichat.toolkit.temporary_files import mark, sweep

from .clips import Folder
from .errors import sentences

NAME = "aichat.db"
DRAFT = ".aichat-backup-"
TRIES = 5


def back_up(database: Path, clips: Folder, file: Path) -> str:
    """Write the zip file *file*; return one line about it."""
    try:
        file.touch(mode=0o600, exist_ok=False)  # nobody else can take the name from here on
    except FileExistsError:
        raise Conflict(f"{file} exists already.", "Name another file.") from None
    except OSError as error:
        raise Unreachable(
            f"{file} cannot be written ({error.strerror}).", "Name a file in another folder."
        ) from error
    try:
        sweep(file.parent, re.escape(DRAFT))
        with tempfile.TemporaryDirectory(prefix=f"{DRAFT}{mark()}", dir=file.parent) as folder:
            return _fill(database, clips, Path(folder), file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _fill(database: Path, clips: Folder, folder: Path, file: Path) -> str:
    copy, copied = folder / NAME, folder / f"{NAME}-clips"
    copied.mkdir()
    there, lost = _copy_both(database, clips, copy, copied)
    archive = folder / "archive"
    archive.touch(mode=0o600)
    with archive.open("r+b") as raw:
        with ZipFile(raw, "w") as filled:
            filled.write(copy, NAME, ZIP_DEFLATED)
            for key in there:
                filled.write(copied / key, f"{copied.name}/{key}", ZIP_STORED)  # hardly shrinks
        raw.flush()
        os.fsync(raw.fileno())
    archive.replace(file)
    missing = f" {len(lost)} more clips were missing." if lost else ""
    return f"{database}: {_count(copy)} and {len(there)} clips are in {file}.{missing}"


def _copy_both(
    database: Path, clips: Folder, copy: Path, copied: Path
) -> tuple[list[str], list[str]]:
    """Copy the database, then its clips; again when one was deleted in between.

    Returns the keys of the clips, and of those whose files are missing whatever is tried.
    """
    for _ in range(TRIES):
        keys = _copy_database(database, copy)
        lost = [key for key in keys if not _copy_clip(clips, key, copied / key)]
        if not lost:
            break
    return [key for key in keys if key not in lost], lost


def _copy_database(database: Path, copy: Path) -> list[str]:
    """Copy one moment of the database; return the keys of its clips."""
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=-1)  # in one go: smaller steps begin anew at each write
            target.execute("pragma journal_mode = delete")  # one file, without a log beside it
            (found,) = target.execute("pragma quick_check").fetchone()
            if found != "ok":
                raise Unreachable("The database is damaged.", "Put an older backup in its place.")
            return [key for (key,) in target.execute("select key from clips order by key")]
    except sqlite3.Error as error:
        raise Unreachable(*sentences(error)) from error


def _copy_clip(clips: Folder, key: str, copy: Path) -> bool:
    """Copy a clip; return whether it is there. One that was copied before has not changed."""
    try:
        if not copy.exists():
            copy.write_bytes(clips.read(key))
    except NotFound:
        return False
    return True


def _count(copy: Path) -> str:
    with closing(sqlite3.connect(copy)) as database:
        counts = [
            (database.execute(f"select count(*) from {noun}").fetchone()[0], noun)  # noqa: S608
            for noun in ("characters", "voices", "conversations", "messages")
        ]
    return ", ".join(f"{count} {noun}" for count, noun in counts)
