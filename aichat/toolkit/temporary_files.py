"""Temporary files and folders are named for the process that made them.

So what a killed process left behind can be swept, and nothing else: only names with our mark, of
our user, from this machine, whose process is gone. The standard library is all that is needed here,
as the build uses this module by its path.
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
"""Process ids mean something on one machine, or in one container, only."""
RUN = token_hex(4)
"""Tells this process from an earlier one with its id, as each restart of a container has."""
MARK = re.compile(r"(?P<host>[0-9a-f]{4})-(?P<process>[0-9]{1,10})-(?P<run>[0-9a-f]{8})-")
TEMPORARY = "aichat-"
"""How the names of our folders in the folder for temporary files begin."""


def mark() -> str:
    """Return what comes into a name, behind its beginning."""
    return f"{HOST}-{os.getpid()}-{RUN}-"


def folder_for(what: str) -> str:
    """Make a folder for temporary files, as ``aichat-espeak-…``; return its path."""
    return tempfile.mkdtemp(prefix=f"{TEMPORARY}{what}-{mark()}")


def sweep_temporary() -> int:
    """Sweep the folder for temporary files; return how many were removed."""
    return sweep(Path(tempfile.gettempdir()), rf"{TEMPORARY}[a-z]+-")


def sweep(folder: Path, beginning: str) -> int:
    """Remove what processes that are gone have left in *folder*; return how many that were.

    *beginning* is a pattern for what stands before the mark. What cannot be removed stays.
    """
    swept = 0
    for path in _left(folder, re.compile(beginning + MARK.pattern)):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            continue
        swept += 1
    return swept


def _left(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
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
        return True  # there is no way to ask that would not end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
