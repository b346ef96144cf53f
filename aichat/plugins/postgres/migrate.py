"""Bringing a database up to date. Keeps book where the Supabase CLI does, so both may be used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import frozen

from aichat.core import CannotStart

OLDEST = 15
"""The oldest major version of PostgreSQL that will do: `on delete set null (column)`."""

LOCK = "select pg_advisory_xact_lock(hashtextextended('aichat.migrate', 0))"

BOOK = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key);
alter table supabase_migrations.schema_migrations
  add column if not exists statements text[], add column if not exists name text;
"""

NOTE = """
insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)
"""

SEEN = "select version, name from supabase_migrations.schema_migrations"


@frozen
class Migration:
    """One file: ``VERSION_NAME.sql``. Names begin with ``aichat_``."""

    version: str
    name: str
    script: str


def shipped() -> list[Migration]:
    """Read the migrations of this version of aichat, oldest first."""
    package = Path(str(files("aichat")))
    packaged = package / "plugins" / "postgres" / "migrations"  # see hatch_build.py
    folder = packaged if packaged.is_dir() else package.parent / "supabase" / "migrations"
    paths = sorted(folder.glob("*_aichat_*.sql"))
    return [_read(path) for path in paths]


def _read(path: Path) -> Migration:
    version, _, name = path.stem.partition("_")
    return Migration(version, name, path.read_text("utf-8"))


async def migrate(connection: Any) -> list[Migration]:
    """Run what the database has not seen, all or nothing; return that.

    Raises :class:`CannotStart` for a server that is too old and for a database that is too new.
    """
    _require_server(connection)
    known = shipped()
    async with connection.transaction():
        await connection.execute(LOCK)  # somebody else may have the same idea
        await connection.execute("set local client_min_messages = warning")  # "exists, skipping"
        await connection.execute(BOOK)
        seen = {row["version"]: row["name"] for row in await connection.fetch(SEEN)}
        _refuse_newer(seen, known)
        missing = [migration for migration in known if migration.version not in seen]
        for one in missing:
            await connection.execute(one.script)
            await connection.execute(NOTE, one.version, one.name, [one.script])
    return missing


def _require_server(connection: Any) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise CannotStart(
            f"The server is PostgreSQL {version.major}.", f"Use {OLDEST} or a newer one."
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise CannotStart(
            f"The database is encoded in {encoding}.", "Create one with `encoding 'UTF8'`."
        )


def _refuse_newer(seen: dict[str, str | None], known: Sequence[Migration]) -> None:
    ours = {migration.version for migration in known}
    strange = {v for v, name in seen.items() if (name or "").startswith("aichat_")} - ours
    if strange:
        raise CannotStart(
            f"The database was used by a newer aichat (migration {max(strange)}).",
            "Update aichat, or use another database.",
        )
