"""Names temporary files and folders after their process, and removes those of dead ones.

Only files of aichat, of this user and machine, whose process has ended, are removed. This module
needs the standard library alone, as the build loads it by its path.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

HOST = blake2b(platform.node().encode(), digest_size=2).hexdigest()
"""Identifies the machine or container: process ids are valid there only."""
RUN = token_hex(4)
"""Distinguishes this process from an earlier one with its id, as in a restarted container."""
MARK = re.compile(r"(?P<host>[0-9a-f]{4})-(?P<process>[0-9]{1,10})-(?P<run>[0-9a-f]{8})-")
TEMPORARY = "aichat-"
"""Prefix of the names of our folders among the temporary files."""


def mark() -> str:
    """Return the part of a name that identifies this process."""
    return f"{HOST}-{os.getpid()}-{RUN}-"


def folder_for(what: str) -> str:
    """Create a folder for temporary files, such as ``aichat-espeak-…``; return its path."""
    return tempfile.mkdtemp(prefix=f"{TEMPORARY}{what}-{mark()}")


def sweep_temporary() -> int:
    """Remove leftovers among the temporary files; return how many there were."""
    return sweep(Path(tempfile.gettempdir()), rf"{TEMPORARY}[a-z]+-")


def sweep(folder: Path, beginning: str) -> int:
    """Remove what dead processes have left in *folder*; return how many files that were.

    *beginning* is a pattern for the part of the name before the mark. Errors are ignored.
    """
    swept = 0
    for path in left(folder, beginning):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            continue
        swept += 1
    return swept


def left(folder: Path, beginning: str) -> Iterator[Path]:
    """Return what dead processes have left in *folder*; *beginning* as in :func:`sweep`."""
    name = re.compile(beginning + MARK.pattern)
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if name.match(entry.name)]
    except OSError:  # there is no such folder, or it may not be read
        return
    for entry in found:
        known = name.match(entry.name)
        if known and _is_gone(known) and _is_ours(entry):
            yield Path(entry.path)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        owner = entry.stat(follow_symlinks=False).st_uid
    except OSError:
        return False
    return not entry.is_symlink() and (os.name != "posix" or owner == os.geteuid())


def _is_gone(name: re.Match[str]) -> bool:
    process = int(name["process"])
    if name["host"] != HOST or name["run"] == RUN:
        return False
    return process == os.getpid() or not _lives(process)


def _lives(process: int) -> bool:
    if os.name != "posix":
        return True  # any way to check would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
