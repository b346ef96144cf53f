"""The secrets that let clients in, as hashes, in ``access.db`` in the data folder, mode 0600.

Three kinds of secrets:

* A *code* is in the one-use address that the server prints. It opens one session, once.
* A *session* is a browser that has logged in: the secret is in its cookie.
* A *token* is made by ``litestar aichat token new``, for a program or a person. One that a person
  has chosen is hashed with argon2, which takes long on purpose (see ``argon.py``).

Codes, sessions and tokens that nobody chose are 256 random bits, which nobody guesses, however fast
the hash is; so a fast one does, and every request can be checked. It is keyed, with a key that
nobody outside knows: how long a lookup takes then says nothing about the secret that would be
found.

It is a SQLite file because several processes share it (the server's workers, the commands): a
change is atomic, a code is used once even by two at once, and ``pragma data_version`` shows in a
few microseconds that another has changed something, so that revoking works at once.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from attrs import define, field, frozen

from aichat.core import CannotStart, Unreachable

OWNER = "owner"
"""The actor that logs in with the printed address, or uses the machine itself."""
CODE_SECONDS = 15 * 60
SESSION_SECONDS = 30 * 24 * 3600
FAST = "blake2b$"
"""Prefix of a random token's hash; passphrases have argon2's."""
SESSIONS = 50
"""Most browsers logged in by one name; another login ends the oldest."""
VERSION = 1

SCHEMA = """
create table hashing (id integer primary key check (id = 1), key blob not null) strict;
create table token (
    name text primary key, hash text not null, created_at text not null
) strict;
create table session (
    hash blob primary key, name text not null, expires_at real not null
) strict;
create table code (hash blob primary key, expires_at real not null) strict;
"""


@frozen
class Session:
    """A browser that has logged in."""

    name: str
    expires_at: float


@frozen
class Listed:
    """A name that can log in. *created_at* is empty where it has only browsers, no token."""

    name: str
    created_at: str
    browsers: int


@define(eq=False)
class Keyring:
    """The file, and its content in memory. *now* gives the seconds since 1970."""

    path: Path
    now: Callable[[], float] = time.time
    tokens: dict[str, str] = field(factory=dict)
    """The hash of each token, by its name."""
    sessions: dict[bytes, Session] = field(factory=dict)
    codes: dict[bytes, float] = field(factory=dict)
    """When each one-use code expires, in seconds since 1970, by its hash."""
    _key: bytes = field(default=b"", repr=False)
    _seen: int = -1
    _reader: sqlite3.Connection | None = None

    def __enter__(self) -> Keyring:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        """Make the file if there is none, and read it. Raises :class:`CannotStart`."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)  # it may have come from a backup
            with self._change() as db:
                self._migrate(db)
            self._reader = self._connect()
            self._read(self._reader)
            self._reader.execute("pragma busy_timeout = 0")  # from now on, no request waits
        except (OSError, sqlite3.Error, Unreachable) as error:
            self.close()
            raise CannotStart(
                f"{self.path} cannot be used ({error}).",
                "Set AICHAT_DATA to a folder that may be written to.",
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._reader:
            self._reader.close()
            self._reader = None

    def _migrate(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("pragma user_version").fetchone()
        if version > VERSION:
            raise CannotStart(
                f"{self.path} was made by a newer aichat.", "Install that version again."
            )
        if version < VERSION:
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute("insert into hashing values (1, ?)", (token_bytes(32),))
            db.execute(f"pragma user_version = {VERSION}")

    # -- asked for each request, from memory -------------------------------------------------

    def refresh(self) -> None:
        """Read the file again if another process, or a change of ours, has written to it."""
        if self._reader is None:
            raise Unreachable(f"{self.path} is not open.", "Start aichat again.")
        try:
            (version,) = self._reader.execute("pragma data_version").fetchone()
            if version == self._seen:
                return
            self._read(self._reader)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return  # a change is just being written: until it is done, what we know holds
            raise self._unreachable(error) from error
        except sqlite3.Error as error:
            raise self._unreachable(error) from error
        self._seen = version

    def _read(self, db: sqlite3.Connection) -> None:
        db.execute("begin")  # all tables as of one moment
        try:
            (self._key,) = db.execute("select key from hashing").fetchone()
            self.tokens = dict(db.execute("select name, hash from token"))
            rows = db.execute("select hash, name, expires_at from session")
            self.codes = dict(db.execute("select hash, expires_at from code"))
            self.sessions = {hash: Session(name, until) for hash, name, until in rows}
        finally:
            db.execute("rollback")

    def digest(self, secret: str) -> bytes:
        """Return the fast, keyed hash of a random secret."""
        raw = secret.encode("utf-8", "surrogatepass")
        return blake2b(raw, key=self._key, digest_size=32).digest()

    def random_hash(self, name: str, secret: str) -> str:
        """Return the hash under which a random secret is kept."""
        return FAST + self.digest(f"{name}.{secret}").hex()

    def is_random_token(self, name: str, secret: str) -> bool:
        """Return whether this is the random token of that name."""
        hashed = self.tokens.get(name, "")
        return hashed.startswith(FAST) and hashed == self.random_hash(name, secret)

    def session(self, secret: str) -> str | None:
        """Return the name that a cookie's secret logs in, or None."""
        found = self.sessions.get(self.digest(secret))
        return found.name if found and found.expires_at > self.now() else None

    def is_code(self, code: str) -> bool:
        """Return whether this is an unused code, as far as is known in memory."""
        return self.codes.get(self.digest(code), 0.0) > self.now()

    # -- changes; each waits for the disk ----------------------------------------------------

    def new_code(self) -> str:
        """Make the secret of a one-use address."""
        code = token_urlsafe(32)
        with self._change() as db:
            db.execute("delete from code where expires_at <= ?", (self.now(),))
            row = (self.digest(code), self.now() + CODE_SECONDS)
            db.execute("insert into code values (?, ?)", row)
        return code

    def use_code(self, code: str) -> bool:
        """Use a code up; return whether it was valid. An invalid one changes nothing."""
        wanted = (self.digest(code), self.now())
        if not self._has_code(wanted):
            return False
        with self._change() as db:
            done = db.execute("delete from code where hash = ? and expires_at > ?", wanted)
            return done.rowcount == 1

    def _has_code(self, wanted: tuple[bytes, float]) -> bool:
        try:
            with closing(self._connect()) as db:
                sql = "select 1 from code where hash = ? and expires_at > ?"
                return db.execute(sql, wanted).fetchone() is not None
        except sqlite3.Error as error:
            raise self._unreachable(error) from error

    def new_session(self, name: str) -> str:
        """Log a browser in; return the secret for its cookie."""
        secret = token_urlsafe(32)
        with self._change() as db:
            db.execute("delete from session where expires_at <= ?", (self.now(),))
            row = (self.digest(secret), name, self.now() + SESSION_SECONDS)
            db.execute("insert into session values (?, ?, ?)", row)
            db.execute(
                "delete from session where name = ?1 and hash not in ("
                " select hash from session where name = ?1 order by expires_at desc limit ?2)",
                (name, SESSIONS),
            )
        return secret

    def end_session(self, secret: str) -> None:
        """Log a browser out."""
        with self._change() as db:
            db.execute("delete from session where hash = ?", (self.digest(secret),))

    def add_token(self, name: str, hash: str) -> bool:
        """Keep a token's hash; return False when the name is taken."""
        with self._change() as db:
            row = (name, hash, datetime.fromtimestamp(self.now(), UTC).isoformat(" ", "seconds"))
            return db.execute("insert or ignore into token values (?, ?, ?)", row).rowcount == 1

    def revoke(self, name: str) -> bool:
        """Delete a token and log out all browsers of that name; return whether there was any."""
        with self._change() as db:
            tokens = db.execute("delete from token where name = ?", (name,)).rowcount
            return tokens + db.execute("delete from session where name = ?", (name,)).rowcount > 0

    def listed(self) -> list[Listed]:
        """Return the names that can log in."""
        with self._change() as db:
            rows = db.execute(
                "select name, coalesce(max(created_at), ''), count(hash) from ("
                " select name, created_at, null as hash from token"
                " union all select name, null, hash from session where expires_at > ?"
                ") group by name order by name",
                (self.now(),),
            )
            return [Listed(*row) for row in rows]

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction of its own. Raises :class:`Unreachable`."""
        try:
            with closing(self._connect()) as db:
                db.execute("begin immediate")
                yield db
                db.execute("commit")  # without it, closing takes everything back
        except sqlite3.Error as error:
            raise self._unreachable(error) from error

    def _connect(self) -> sqlite3.Connection:
        address = f"{self.path.as_uri()}?mode=rw"  # a file that was taken away is not made again
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    def _unreachable(self, error: sqlite3.Error) -> Unreachable:
        return Unreachable(f"{self.path.name} cannot be used ({error}).", "Start aichat again.")
