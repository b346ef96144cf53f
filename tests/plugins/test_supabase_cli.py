"""The same migrations, applied by the Supabase CLI from npm."""

import os
import re
import shutil
import subprocess

import anyio
import pytest

from aichat.plugins.postgres import migrate
from aichat.plugins.postgres.store import Postgres
from support import postgres_server
from support.npm import npms

pytestmark = pytest.mark.anyio

VERSION = "3.1.0"
QUIET = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")


@pytest.fixture(scope="module")
def program(request):
    """The CLI, installed once; its package for this machine brings the program itself."""
    folder = request.config.cache.mkdir(f"supabase-cli-{VERSION}")
    pattern = "node_modules/@supabase/cli-*/bin/supabase*"
    for npm in npms():
        if not list(folder.glob(pattern)):
            install = [*npm, "install", *QUIET, "--prefix", str(folder), f"supabase@{VERSION}"]
            subprocess.run(install, check=False, capture_output=True)
    if not (found := list(folder.glob(pattern))):
        pytest.skip("The Supabase CLI is not here, and npm does not get it.")
    return found[0]


@pytest.fixture
def push(program, tmp_path):
    root = migrate.files("aichat").parent
    shutil.copytree(root / "supabase", tmp_path / "supabase")

    def run(url):
        command = [program, "db", "push", "--yes", "--db-url", url, "--workdir", tmp_path]
        quiet = {**os.environ, "DO_NOT_TRACK": "1", "HOME": str(tmp_path)}
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=quiet,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return lambda url: anyio.to_thread.run_sync(run, url)


def schema(server, url):
    """Everything that pg_dump knows of a database's structure."""
    command = [server.programs / "pg_dump", "--schema-only", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", dump)  # a word that is new in each dump


BOOK = "select version, name from supabase_migrations.schema_migrations order by version"


@pytest.mark.parametrize("like_supabase", [True, False])
async def test_the_cli_makes_the_same_database_as_the_store(push, like_supabase):
    server = postgres_server.like_supabase() if like_supabase else postgres_server.plain()
    theirs, ours = [server.url(await server.create()) for _ in range(2)]
    assert migrate.shipped()[-1].name in await push(theirs)
    async with Postgres(ours):
        pass
    assert schema(server, theirs) == schema(server, ours)
    assert await postgres_server.rows(theirs, BOOK) == await postgres_server.rows(ours, BOOK)


async def test_each_goes_on_where_the_other_ended(push):
    server = postgres_server.like_supabase()
    theirs, ours = [server.url(await server.create()) for _ in range(2)]
    await push(theirs)
    async with Postgres(theirs) as store:
        assert len(await store.characters()) == 3
    async with Postgres(ours):
        pass
    assert "up to date" in (await push(ours)).lower()
    assert "up to date" in (await push(theirs)).lower()
