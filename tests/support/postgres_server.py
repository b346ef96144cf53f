"""A private PostgreSQL on a free port, which ends with the tests. It never runs as root.

Debian's ``postgresql`` is installed where there is none, apt works and we are root; where it cannot
be had, the tests that need it are skipped and say so.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from attrs import define

from support.free_ports import free_port

OLDEST = 15
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
APT = (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"])
PASSWORD = secrets.token_urlsafe()

SHIM = """
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password '{password}';
grant anon, authenticated, service_role to authenticator;
"""
"""The roles of a Supabase project."""

GRANTS = """
alter default privileges for role aichat in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role aichat in schema public
  grant all on functions to anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
"""
"""What a Supabase project lets them do with whatever is made there."""


@define
class Server:
    """Its users: postgres, who may do anything, and aichat, who owns databases. One password."""

    programs: Path
    folder: Path
    port: int
    like_supabase: bool
    _process: Any = None

    def url(self, database: str, user: str = "aichat", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [
            self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port),
            *("-c", "listen_addresses=127.0.0.1"), *("-c", "unix_socket_directories="),
            *("-c", "fsync=off"), *("-c", "max_connections=60"),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **who())
        while not self._is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        """Ask its own file, as pg_ctl does: another server may answer at its port."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self._process.pid) and lines[7:8] == ["ready   "]

    def stop(self) -> None:
        """Break all connections off, and end."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def remove(self) -> None:
        """End, and leave nothing behind."""
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def run(self, *statements: str, database: str = "postgres") -> None:
        """Do something as the superuser."""
        connection = await asyncpg.connect(self.url(database, "postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, **how: str) -> str:
        """Make an empty database that aichat owns; return its name."""
        name = f"test_{secrets.token_hex(6)}"
        options = " ".join(f"{key} {value}" for key, value in how.items())
        await self.run(f"create database {name} owner aichat {options}")
        if self.like_supabase:
            await self.run(GRANTS, database=name)
        return name


async def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask a database something."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


@cache
def plain() -> Server:
    """The server of somebody who has never heard of Supabase."""
    return started(like_supabase=False)


@cache
def like_supabase() -> Server:
    """A server with the roles of a Supabase project."""
    return started(like_supabase=True)


def started(*, like_supabase: bool) -> Server:
    programs, folder = found(), Path(tempfile.mkdtemp(prefix="aichat-postgres-"))
    (folder / "password").write_text(PASSWORD)
    for path in (folder, folder / "password"):
        if os.geteuid() == 0:
            shutil.chown(path, nobody(), -1)
    as_nobody(
        programs / "initdb", "--pgdata", folder / "data", "--username=postgres", "--encoding=UTF8",
        "--locale=C", "--auth=scram-sha-256", "--pwfile", folder / "password", "--no-sync",
    )  # fmt: skip
    server = Server(programs, folder, free_port(), like_supabase)
    server.start()
    atexit.register(server.remove)
    psql(server, f"create role aichat login password '{PASSWORD}'")
    if like_supabase:
        psql(server, SHIM.format(password=PASSWORD))
    return server


def psql(server: Server, script: str) -> None:
    command = [server.programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d"]
    url = server.url("postgres", "postgres")
    subprocess.run([*command, url], check=True, input=script.encode())


@cache
def found() -> Path:
    """Return the folder of PostgreSQL's programs; install them if need be, or skip the test."""
    if not (folder := newest()) and os.geteuid() == 0 and shutil.which("apt-get"):
        with alone():
            folder = newest() or installed()
    if not folder:
        pytest.skip(f"There is no PostgreSQL of version {OLDEST} or newer, and none to be had.")
    return folder


@contextmanager
def alone() -> Iterator[None]:
    """Wait while another process of tests installs: apt refuses to run twice at once."""
    import fcntl

    with (Path(tempfile.gettempdir()) / "aichat-tests-apt.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed() -> Path | None:
    """Install Debian's PostgreSQL; return the folder of its programs, if that worked."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in APT:
        subprocess.run(command, check=False, capture_output=True, env=environment)
    return newest()


def newest() -> Path | None:
    """Return the folder of the newest PostgreSQL that will do."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in FOLDERS:
        folders += Path("/").glob(pattern[1:])
    known = {folder: version(folder) for folder in folders if (folder / "postgres").exists()}
    folder = max(known, key=lambda folder: known[folder], default=None)
    return folder if folder and known[folder] >= OLDEST else None


def version(folder: Path) -> int:
    told = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=True)
    return int(told.stdout.split()[2].split(b".")[0])


def nobody() -> str:
    """Name a user who is not root."""
    import pwd

    return next(user.pw_name for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))


def who() -> dict[str, Any]:
    """Say as whom to run: PostgreSQL refuses to run as root."""
    return {"user": nobody(), "extra_groups": []} if os.geteuid() == 0 else {}


def as_nobody(*command: Any) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **who())
