"""Stores outside the server's process, whose connections a test can break and mend."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import asyncpg
from attrs import define, field

from aichat.core.registry.config import Part
from aichat.plugins.postgres.migrate import migrate
from support import fake_postgrest, postgres_server
from support.fake_postgrest import SECRET_KEY, Double

FAR = ("postgres", "supabase")
NO_ANSWER = (503, b"<html>upstream connect error</html>")


@define
class FarStore:
    """A database of its own on a real PostgreSQL, for plugins.toml."""

    part: Part
    server: postgres_server.Server
    database: str
    double: Double | None = field(default=None, repr=False)

    def stored(self, conversation: str) -> list[dict[str, Any]]:
        """The messages in the database, in order, whether or not aichat runs."""

        async def read() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self._admin)
            try:
                query = "select * from messages where conversation_id = $1 order by seq"
                return [dict(row) for row in await connection.fetch(query, conversation)]
            finally:
                await connection.close()

        return anyio.run(read)

    def lose(self) -> None:
        """Break all connections off, and refuse new ones."""
        if self.double:
            self.double.fault = NO_ANSWER
            return
        anyio.run(
            self.server.run,
            f"alter database {self.database} connection limit 0",
            f"select pg_terminate_backend(pid) from pg_stat_activity "
            f"where datname = '{self.database}' and pid <> pg_backend_pid()",
        )

    def mend(self) -> None:
        if self.double:
            self.double.fault = None
            return
        anyio.run(self.server.run, f"alter database {self.database} connection limit -1")

    def lock(self) -> Callable[[], None]:
        """Let every call that concerns messages wait; return what ends that."""
        command = [self.server.programs / "psql", "-qXAt", self._admin]
        popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert popen.stdin
        assert popen.stdout
        popen.stdin.write("begin; lock table messages; select 1;\n")
        assert popen.stdout.readline() == "1\n"

        def unlock() -> None:
            popen.communicate("rollback;\n")

        return unlock

    @property
    def _admin(self) -> str:
        return self.server.url(self.database, "postgres")


@contextmanager
def a_far_store(kind: str, **settings: Any) -> Iterator[FarStore]:
    """Make an empty store of a *kind*."""
    if kind == "postgres":
        server = postgres_server.plain()
        database = anyio.run(server.create)
        settings = {"url": server.url(database), **settings}
        yield FarStore(Part(("postgres",), {"postgres": settings}), server, database)
        return
    server = postgres_server.like_supabase()
    database = anyio.run(_migrated, server)
    double = Double(server.url(database, "authenticator"))
    with fake_postgrest.serving(double):
        settings = {"url": double.address, "key": SECRET_KEY, **settings}
        part = Part(("supabase",), {"supabase": settings})
        yield FarStore(part, server, database, double)
    assert not double.unmodelled


async def _migrated(server: postgres_server.Server) -> str:
    database = await server.create()
    connection = await asyncpg.connect(server.url(database))
    try:
        await migrate(connection)
    finally:
        await connection.close()
    return database
