"""What SQLite and the file system complain of, as sentences for people."""

from __future__ import annotations

import sqlite3

from aichat.core import BadValue, Unreachable

_BROKEN = ("The database file is damaged, or is no database.", "Put a backup in its place.")
_BUSY = ("Another program keeps the database locked.", "Close it, then try again.")
_READ_ONLY = ("The database may not be written to.", "Make the file and its folder writable.")

TROUBLE = {
    sqlite3.SQLITE_FULL: ("The disk is full.", "Make room, then try again."),
    sqlite3.SQLITE_IOERR: (
        "The disk could not be read or written.",
        "Check it, and its free room.",
    ),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        "The database cannot be opened.",
        "Check that its folder exists and may be written to.",
    ),
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_TOOBIG: ("This is too large for the database.", "Split it."),
}


def readable(error: Exception) -> Exception:
    """Turn what the sqlite3 module raises into one of our errors; leave others as they are."""
    ours: Exception
    if isinstance(error, UnicodeEncodeError):
        ours = BadValue("The text holds half a character, which cannot be stored.", "Take it out.")
    elif isinstance(error, sqlite3.IntegrityError):
        ours = BadValue(f"The record breaks a rule of the database ({error}).", "Mend the record.")
    elif isinstance(error, sqlite3.Error):
        ours = Unreachable(*sentences(error))
    elif isinstance(error, OSError):
        ours = Unreachable(
            f"A file cannot be read or written ({error.strerror}).",
            "Check the folder of the database, and the disk's free room.",
        )
    else:
        return error
    ours.__cause__ = error
    return ours


def sentences(error: sqlite3.Error) -> tuple[str, str]:
    """Say what is wrong, and how to mend it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind of trouble
    return TROUBLE.get(code, (f"The database failed ({error}).", "Try again."))
