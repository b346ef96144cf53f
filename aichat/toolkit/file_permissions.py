"""Permissions of files that only their owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
READ_OR_WRITE = 0o066


def tighten(path: Path) -> bool:
    """Remove all access of others to a file or folder of ours; return whether they had any.

    Raises OSError.
    """
    if os.name != "posix":
        return False
    state = path.stat()
    if state.st_uid != os.geteuid() or not state.st_mode & OTHERS:
        return False
    path.chmod(stat.S_IMODE(state.st_mode) & ~OTHERS)
    return True


def exposed(folder: Path) -> str:
    """Return a warning if others may read or write a folder; empty if not."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return ""
    if os.name != "posix" or not mode & READ_OR_WRITE:
        return ""
    return (
        f"Others on this machine can see what is in {folder} (its mode is {mode:o}). "
        f"Run `chmod 700 {folder}`."
    )


def way_to_use(path: Path) -> str:
    """Return a hint on how to make a file or folder usable again."""
    letters = "rwx" if path.is_dir() else "rw"
    if os.name != "posix":
        return f"Allow your user to write to {path}"
    if path.stat().st_uid == os.geteuid():
        return f"Run `chmod u+{letters} {path}`"
    return f"Run `sudo chown {os.geteuid()} {path}`"


def owner_of(path: Path) -> str:
    """Return the name of the user a file belongs to."""
    try:
        return path.owner()
    except (KeyError, NotImplementedError, OSError):
        return "another user"
