"""Open the database file, and bring its tables up to date."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from aichat.core import CannotStart
from aichat.toolkit.seed import READY_CHARACTERS, READY_VOICES

from . import clips, database_files, records
from .errors import sentences

OURS = 0x61696368
"""``application_id`` of our files: "aich"."""

NEWER_SYMBOLS = "".join(
    chr(code)
    for first, last in (
        (0x20BA, 0x20CF), (0x23F4, 0x23FF), (0x2700, 0x2700), (0x2B4D, 0x2BFF), (0x2E3C, 0x2E7F),
        (0x1F000, 0x1F0FF), (0x1F10D, 0x1FBEF),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Emoji and signs that are younger than FTS5's tables, which take them for letters."""

BUSY_MS = 5_000
"""Timeout (s) of a connection that waits for another program's lock."""


def locate(path: str) -> Path:
    """Say where the database is, for the setting *path*."""
    if path.startswith((":memory:", "file:")):
        raise CannotStart(
            f"[storage.sqlite] path = {path!r} is no file; reading and writing share one.",
            "Name a file, or leave path out.",
        )
    if path:
        return Path(path).expanduser().absolute()
    if folder := os.environ.get("AICHAT_DATA"):
        return Path(folder).expanduser().absolute() / "aichat.db"
    import platformdirs

    return platformdirs.user_data_path("aichat", appauthor=False) / "aichat.db"


def open_both(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open the file for writing and for reading, after its migrations and a tidy-up.

    Takes the disk's time.
    """
    folder = clips.beside(path)
    try:
        proofs = database_files.prepare(path, folder)
        writer = _connect(path)
        try:
            database_files.require_tables(writer, path, proofs)
            migrate(writer, path)
            database_files.note_made(path)
            clips.tidy(writer, folder)
            reader = _connect(path)
            reader.execute("pragma query_only = on")
        except BaseException:
            writer.close()
            raise
    except OSError as error:
        raise CannotStart(
            f"{error.filename or path.parent} cannot be used ({error.strerror}).",
            "Make room on the disk, then start again."
            if error.errno == errno.ENOSPC
            else "Set AICHAT_DATA, or path in [storage.sqlite], to a place that may be written to.",
        ) from error
    except sqlite3.Error as error:
        problem, mend = sentences(error)
        raise CannotStart(f"{path}: {problem}", mend) from error
    return writer, reader


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"pragma busy_timeout = {BUSY_MS}")
        _use_write_ahead_log(connection)
        connection.execute("pragma synchronous = full")  # a commit is on the disk when it returns
        connection.execute("pragma foreign_keys = on")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let reading and writing go on side by side. SQLite does not wait for a lock here."""
    for tries_left in reversed(range(BUSY_MS // 20)):
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not tries_left:
                raise
            time.sleep(0.02)
        else:
            return


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the migrations that the file has not seen, each in a transaction of its own."""
    scripts = migrations()
    while (version := _check(connection, path, len(scripts))) < len(scripts):
        connection.execute("begin immediate")
        try:
            if _number(connection, "user_version") == version:  # nobody else was quicker
                _run(connection, version + 1, scripts[version])
            connection.execute("commit")
        except BaseException:
            connection.rollback()
            raise


def migrations() -> list[str]:
    """Read the numbered scripts, in order."""
    folder = resources.files(__package__) / "migrations"
    scripts = [script for script in folder.iterdir() if script.name.endswith(".sql")]
    texts = [script.read_text("utf-8") for script in sorted(scripts, key=lambda file: file.name)]
    return [text.replace("{newer_symbols}", NEWER_SYMBOLS) for text in texts]


def _check(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """Return how many migrations the file has seen; refuse one that is not for us."""
    version = _number(connection, "user_version")
    if version > known:
        raise CannotStart(
            f"{path} was written by a newer aichat (version {version} of its tables, not {known}).",
            "Update aichat, or set path in [storage.sqlite] to another file.",
        )
    used = connection.execute("select count(*) from sqlite_master").fetchone()[0]
    if used and _number(connection, "application_id") != OURS:
        raise CannotStart(
            f"{path} is another program's database.", "Set path in [storage.sqlite] to a new file."
        )
    return version


def _run(connection: sqlite3.Connection, version: int, script: str) -> None:
    for statement in _statements(script):
        connection.execute(statement)
    connection.execute(f"pragma user_version = {version}")
    if version == 1:  # a brand-new file: characters that are deleted later stay away
        connection.execute(f"pragma application_id = {OURS}")
        _settle(connection)


def _settle(connection: sqlite3.Connection) -> None:
    """Let the ready-made characters move in."""
    for voice in READY_VOICES:
        records.VOICES.add(connection, voice)
    for character in READY_CHARACTERS:
        records.CHARACTERS.add(connection, character)


def _statements(script: str) -> Iterator[str]:
    """Split a script; ``executescript`` would commit what is under way."""
    statement = ""
    for piece in script.rstrip().rstrip(";").split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # no semicolon of a text or a trigger
            yield statement
            statement = ""
    yield statement


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"pragma {pragma}").fetchone()[0])
