"""Clips: files that are named by their content, in a folder beside the database, known by rows.

Files appear and go only in the writer's thread, while it holds the database's lock: so nobody adds
a row for a file that somebody else is about to remove. When the store opens, the drafts of
processes that are gone are swept, and, once a day old, files without a row and clips without a
user.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

from attrs import frozen

from aichat.core.store_rules import missing
from aichat.toolkit.temporary_files import mark, sweep

from .records import iso

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
DRAFT = "draft-"
"""How the names of files begin that are still written."""

UNUSED = """
    not exists (select 1 from voices where key in (audio_path, text_path))
    and not exists (select 1 from characters where image_url = '/images/' || clips.key
                    or exists (select 1 from json_each(images)
                               where value = '/images/' || clips.key))
    and not exists (select 1 from message_words
                    where message_words match '"' || substr(clips.key, 1, 64) || '"')
"""
"""A clip that no voice has, and that no character and no message shows: the search's index knows
its hash as a word."""


@frozen
class Folder:
    """Where the files are. Every call takes the disk's time, and may raise OSError."""

    path: Path

    def draft(self, data: bytes) -> Path:
        """Write bytes to the disk, in a new file that only we may read."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{DRAFT}{mark()}", dir=self.path)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            draft.unlink()
            raise
        return draft

    def publish(self, draft: Path, key: str) -> None:
        """Give a draft its name. Doing it again is harmless: a batch may be tried twice."""
        if draft.exists():
            draft.replace(self.path / key)
            _sync(self.path)
        os.utime(self.path / key)

    def read(self, key: str) -> bytes:
        """Return the bytes of a clip. Raises NotFound."""
        try:
            return (self.path / key).read_bytes()
        except FileNotFoundError:
            raise missing("clip", key) from None

    def remove(self, name: str) -> None:
        """Remove a file. One that cannot be removed is tried again when the store opens."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("The clip %s cannot be removed: %s.", name, error.strerror)

    def older_than(self, seconds: float) -> list[str]:
        """Return the names of the files that have not been touched for that time."""
        if not self.path.is_dir():
            return []
        latest = time.time() - seconds
        with os.scandir(self.path) as entries:
            return [entry.name for entry in entries if entry.stat().st_mtime < latest]


def beside(database: Path) -> Folder:
    """Return the folder of a database's clips."""
    return Folder(database.with_name(f"{database.name}-clips"))


def _sync(folder: Path) -> None:
    """Put the folder's names on the disk; Windows has no call for it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- jobs for the writer -------------------------------------------------------------------------


def keep(connection: Connection, folder: Folder, draft: Path, key: str) -> str:
    """Make a draft a clip; return its key."""
    folder.publish(draft, key)
    connection.execute(
        "insert into clips (key, size, created_at) values (?, ?, ?) "
        "on conflict (key) do update set created_at = excluded.created_at",
        (key, (folder.path / key).stat().st_size, iso(datetime.now(UTC))),
    )
    return key


def require(connection: Connection, keys: Iterable[str]) -> None:
    """Raise NotFound unless there are clips with these keys."""
    for key in keys:
        if not _is_known(connection, key):
            raise missing("clip", key)


def forget(connection: Connection, keys: Iterable[str]) -> list[str]:
    """Delete the rows of clips that nothing uses; return their keys, for :func:`remove`."""
    gone = f"delete from clips where key = ? and {UNUSED}"  # noqa: S608  (nothing from outside)
    return [key for key in keys if connection.execute(gone, (key,)).rowcount]


def remove(connection: Connection, folder: Folder, names: Iterable[str]) -> None:
    """Remove the files whose rows are gone, and have not come back meanwhile."""
    for name in names:
        if not _is_known(connection, name):
            folder.remove(name)


def tidy(connection: Connection, folder: Folder) -> None:
    """Sweep what killed processes left, and what was not used for a day.

    That is clips that nothing uses, and files without a row.
    """
    sweep(folder.path, DRAFT)
    yesterday = iso(datetime.now(UTC) - DAY)
    connection.execute(f"delete from clips where created_at < ? and {UNUSED}", (yesterday,))  # noqa: S608
    connection.execute("begin immediate")
    try:
        remove(connection, folder, folder.older_than(DAY.total_seconds()))
    finally:
        connection.rollback()


def _is_known(connection: Connection, key: str) -> bool:
    found = connection.execute("select 1 from clips where key = ?", (key,))
    return found.fetchone() is not None
