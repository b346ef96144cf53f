"""The files of a database, before it is opened: they can be used, and are those that were here.

Beside ``aichat.db`` there is ``aichat.db-made`` from the first start on. An empty database where
one was made before is not filled anew: its owner would learn only late that everything is lost.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from sqlite3 import Connection

from aichat.core import CannotStart
from aichat.toolkit.file_permissions import exposed, owner_of, tighten, way_to_use

from .clips import DRAFT, Folder

log = logging.getLogger(__name__)

ELSEWHERE = "set AICHAT_DATA, or path in [storage.sqlite], to another place"
MADE = """\
aichat has made a database here. As long as this file is beside it, a database that turns out to be
empty is not filled anew. To begin anew on purpose, remove this file too.
"""


def prepare(path: Path, clips: Folder) -> list[Path]:
    """Make the folder and an empty file where there is none; return what proves an older database.

    Raises :class:`CannotStart` and OSError.
    """
    _make_folder(path.parent)
    if path.is_dir():
        raise CannotStart(f"{path} is a folder, no database.", f"Move it away, or {ELSEWHERE}.")
    files = [path, *_logs(path)]
    for file in (path.parent, *files):
        _require_use(file)
    if clips.path.exists():
        if not clips.path.is_dir():
            raise CannotStart(f"{clips.path} is no folder.", "Move it away.")
        _require_use(clips.path)
    proofs = [proof for proof in (made(path), clips.path) if _has_content(proof)]
    _require_content(path, proofs)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files get its mode
    for file in (*files, clips.path):
        if file.exists() and tighten(file):
            log.warning("Others could read %s; now only you can.", file)
    if warning := exposed(path.parent):
        log.warning(warning)
    return proofs


def require_tables(connection: Connection, path: Path, proofs: list[Path]) -> None:
    """Refuse an empty database where there are *proofs* of another. Raises CannotStart."""
    if proofs and not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
        raise _emptied(path, "holds nothing", proofs)


def note_made(path: Path) -> None:
    """Note that there is a database. Raises OSError."""
    if not _has_content(made(path)):
        made(path).touch(mode=0o600)
        made(path).write_text(MADE, encoding="utf-8")


def made(path: Path) -> Path:
    """Return the file that says so."""
    return path.with_name(f"{path.name}-made")


def _logs(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm")]


def _require_content(path: Path, proofs: list[Path]) -> None:
    """Refuse to begin where a database was lost, also one whose log is still here.

    What proves nothing is taken out of *proofs*.
    """
    wal = _logs(path)[0]
    if path.exists() and path.stat().st_size:
        return
    if _has_content(wal):
        proofs = [wal, *proofs]
    if path.exists() and proofs:
        raise _emptied(path, "is empty", proofs)
    if lost := [proof for proof in proofs if proof != made(path)]:
        raise _emptied(path, "is missing", [*lost, *(p for p in proofs if p not in lost)])
    made(path).unlink(missing_ok=True)  # only the database was removed: its owner begins anew
    proofs.clear()


def _emptied(path: Path, how: str, proofs: list[Path]) -> CannotStart:
    names = " and ".join(proof.name for proof in proofs)
    wal = _logs(path)[0]
    # SQLite would write the log of the lost database into the one that is put there
    first = f"Move {wal.name} away, then put" if wal in proofs else "Put"
    return CannotStart(
        f"{path} {how}, but a database with content was here (see {names} beside it).",
        f"{first} a backup of {path.name} in its place; or, to begin anew, move {names} away.",
    )


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(not one.name.startswith(DRAFT) for one in path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        places = (folder, *folder.parents)
        file = next((one for one in places if one.is_file() or one.is_symlink()), folder)
        kind = "a file" if file.exists() else "a link to nothing"
        raise CannotStart(
            f"{file} is {kind}, where a folder should be.", f"Move it away, or {ELSEWHERE}."
        ) from None


def _require_use(file: Path) -> None:
    """Refuse what may not be read and written. Raises CannotStart."""
    wanted = os.R_OK | os.W_OK | (os.X_OK if file.is_dir() else 0)
    if file.exists() and not os.access(file, wanted):
        raise CannotStart(
            f"{file} may not be read and written (it belongs to {owner_of(file)}).",
            f"{way_to_use(file)}, or {ELSEWHERE}.",
        )
