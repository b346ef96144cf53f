"""Storage in one SQLite file: nothing to install, and what was acknowledged survives power loss."""

from __future__ import annotations

from aichat.core import Backend, Storage, hookimpl


def open_file(path: str = "") -> Storage:
    """Make the store. *path* is by default aichat.db in ``$AICHAT_DATA``, or your data folder."""
    from .store import Sqlite  # and sqlite3 with it, only where it is used

    return Sqlite(path)


@hookimpl
def storage_backend() -> Backend[Storage]:
    """Offer ``use = "sqlite"``."""
    return Backend("sqlite", open_file)
