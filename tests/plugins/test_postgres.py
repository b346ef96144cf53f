import json
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import asyncpg
import pytest
from attrs import evolve

from aichat.core import (
    BadValue,
    CannotStart,
    Character,
    Conflict,
    Conversation,
    Message,
    NotFound,
    Unreachable,
    Voice,
    new_id,
)
from aichat.core.testing.storage.contract import StorageContract, contents, say, started
from aichat.plugins.postgres import migrate, storage_backend
from aichat.plugins.postgres.store import Postgres
from aichat.toolkit.packages import installs
from support import postgres_server
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio

WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
READY_MADE = ["olivia-barns-001", "mark-chen-001", "rosa-alvarez-001"]


@pytest.fixture(scope="module")
def server():
    return postgres_server.plain()


@pytest.fixture(scope="module")
def shared(server):
    return server.url(anyio.run(server.create))


@pytest.fixture
async def url(server):
    return server.url(await server.create())


@pytest.fixture
async def storage(url):
    async with storage_backend().make(url) as store:
        yield store


class TestContract(OpenedOnce, StorageContract):
    programs = 20

    @pytest.fixture(scope="class")
    @classmethod
    async def storage(cls, shared):
        async with Postgres(shared, seconds=30) as store:
            yield store


# -- beginning ---------------------------------------------------------------------------------


async def test_three_characters_live_in_a_new_database_and_deleted_ones_stay_away(url):
    async with Postgres(url) as store:
        assert [c.id for c in await store.characters()] == READY_MADE
        assert (await store.voice("Olivia")).speaker_desc
        await store.delete_character("mark-chen-001")
    async with Postgres(url) as store:
        assert [c.id for c in await store.characters()] == READY_MADE[::2]
        assert (await store.add_character(Character("", "Mark Chen"))).id == "mark-chen-002"


async def test_everything_is_there_when_it_is_opened_again(url):
    async with Postgres(url) as store:
        conversation = await started(store, "rosa-alvarez-001")
        await store.add_message(say(conversation, "Remember me"))
    async with Postgres(url) as store:
        assert await contents(store, conversation) == ["Remember me"]


async def test_a_server_without_the_roles_of_supabase_and_a_user_without_rights_will_do(url):
    async with Postgres(url):
        roles = await postgres_server.rows(url, "select rolname::text, rolsuper from pg_roles")
    assert ("aichat", False) in roles
    assert not {"anon", "authenticated", "service_role"} & {name for name, _ in roles}


async def test_migrations_are_written_down_where_the_supabase_cli_does(url):
    async with Postgres(url):
        book = await postgres_server.rows(
            url, "select version, name from supabase_migrations.schema_migrations order by version"
        )
    assert book == [(one.version, one.name) for one in migrate.shipped()]
    assert len(book) >= 3


async def test_a_later_migration_runs_once_and_brings_nobody_back(url, monkeypatch):
    async with Postgres(url) as store:
        await store.delete_character("mark-chen-001")
    later = migrate.Migration("20990101000000", "aichat_later", "create table later (a int)")
    known = [*migrate.shipped(), later]
    monkeypatch.setattr(migrate, "shipped", lambda: known)
    for _ in range(2):
        async with Postgres(url) as store:
            assert len(await store.characters()) == 2
    assert await postgres_server.rows(url, "select * from later") == []


async def test_a_migration_that_fails_leaves_no_trace(url, monkeypatch):
    good = migrate.shipped()
    bad = migrate.Migration("20990101000000", "aichat_bad", "create table t (a int); nonsense")
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "shipped", lambda: [*good, bad])
        with pytest.raises(CannotStart):
            async with Postgres(url):
                pass
    assert (
        await postgres_server.rows(url, "select 1 from pg_tables where schemaname = 'public'") == []
    )
    async with Postgres(url) as store:
        assert len(await store.characters()) == 3


async def test_several_programs_may_open_a_new_database_at_once(url):
    found = []

    async def open_it():
        async with Postgres(url) as store:
            found.append([c.id for c in await store.characters()])

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(open_it)
    assert found == [READY_MADE] * 4


async def test_the_program_for_migrations_tells_what_it_did(url):
    def run(*arguments, **environment):
        command = [sys.executable, "-m", "aichat.plugins.postgres", *arguments]
        told = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=told, check=False)

    first = await anyio.to_thread.run_sync(run, url)
    assert first.stdout.split()[::3] == [f"{one.version}" for one in migrate.shipped()]
    again = await anyio.to_thread.run_sync(lambda: run(DATABASE_URL=url))
    assert (again.stdout, again.returncode) == ("It is up to date.\n", 0)
    wrong = await anyio.to_thread.run_sync(run, url.replace(postgres_server.PASSWORD, "Wr0ng"))
    assert wrong.returncode == 1
    assert "refuses the user or the password" in wrong.stderr
    assert "Wr0ng" not in wrong.stderr + wrong.stdout
    assert "Traceback" not in wrong.stderr
    assert (await anyio.to_thread.run_sync(run)).returncode == 1


async def test_a_clip_that_no_voice_has_taken_is_swept_after_a_day(url):
    async with Postgres(url) as store:
        clips = [await store.add_clip(os.urandom(9), "wav") for _ in range(6)]
        taken, left, again, new, shown, sent = clips
        (somebody, *_) = await store.characters()
        await store.change_character(somebody.id, {"image_url": f"/images/{shown}"})
        talk = await store.add_conversation(Conversation(new_id()))
        words = f"![a cat](/images/{sent})"
        await store.add_message(Message(new_id(), talk.conversation_id, "user", words))
        await store.add_voice(Voice("Cloned", audio_path=taken))
        old = "update clips set created_at = now() - interval '25 hours' where key <> $1"
        connection = await asyncpg.connect(url)
        await connection.execute(old, new)
        await connection.close()
        assert await store.add_clip(await store.clip(again), "wav") == again
    async with Postgres(url) as store:
        for kept in (taken, again, new, shown, sent):
            assert len(await store.clip(kept)) == 9
        with pytest.raises(NotFound):
            await store.clip(left)


# -- what stops the start ----------------------------------------------------------------------


async def refusal(url, **settings):
    with pytest.raises(CannotStart) as told:
        async with Postgres(url, **settings):
            pass
    assert postgres_server.PASSWORD not in str(told.value)
    assert told.value.__cause__ is None  # its words may hold what ours do not
    return told.value.line


async def test_a_newer_database_asks_for_a_newer_aichat(url):
    async with Postgres(url):
        pass
    connection = await asyncpg.connect(url)
    book = "insert into supabase_migrations.schema_migrations (version, name) values ($1, $2)"
    await connection.execute(book, "20990101000000", "somebody_elses")
    async with Postgres(url) as store:
        assert len(await store.characters()) == 3
    await connection.execute(book, "20990101000001", "aichat_of_the_future")
    await connection.close()
    line = await refusal(url)
    assert "newer aichat (migration 20990101000001)" in line
    assert "Update aichat" in line


async def test_another_programs_tables_are_left_alone(url):
    connection = await asyncpg.connect(url)
    await connection.execute("create table messages (recipe text)")
    line = await refusal(url)
    await connection.close()
    assert "other tables of these names" in line
    assert "a database of its own" in line
    assert await postgres_server.rows(url, "select * from messages") == []


async def test_a_user_who_may_not_make_tables_is_told(server, url):
    await server.run(
        f"do $$ begin create role guest login password '{postgres_server.PASSWORD}'; "
        "exception when duplicate_object then null; end $$"
    )
    line = await refusal(url.replace("//aichat:", "//guest:"))
    assert "does not let this user" in line


async def test_a_database_that_cannot_hold_every_letter_is_refused(server):
    name = await server.create(encoding="'SQL_ASCII'", template="template0")
    line = await refusal(server.url(name))
    assert "SQL_ASCII" in line
    assert "UTF8" in line


async def test_an_old_server_is_refused(url, monkeypatch):
    old = SimpleNamespace(major=14)
    monkeypatch.setattr(asyncpg.Connection, "get_server_version", lambda _: old)
    line = await refusal(url)
    assert "PostgreSQL 14" in line
    assert "15 or a newer one" in line


async def test_what_is_wrong_with_the_address_is_told(server, url):
    nothing = url.replace(f":{server.port}", ":1")
    for address, words in {
        "": "DATABASE_URL=postgresql",
        "nonsense": "no address of a PostgreSQL",
        "https://example.com/x": "no address of a PostgreSQL",
        "postgresql://[::1/x": "no address of a PostgreSQL",
        url.replace(postgres_server.PASSWORD, "Wr0ng"): "refuses the user or the password",
        f"{url}_not": "no such database",
        nothing: "127.0.0.1:1 cannot be reached (ConnectionRefusedError)",
    }.items():
        line = await refusal(address)
        assert words in line, address
        assert "Wr0ng" not in line


async def test_a_missing_package_is_told(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert installs("postgres") in await refusal(url)


def test_trio_is_refused(shared):
    async def main():
        async with Postgres(shared):
            pass

    with pytest.raises(CannotStart, match="asyncio only"):
        anyio.run(main, backend="trio")


# -- what goes wrong later ---------------------------------------------------------------------


@asynccontextmanager
async def locked(url, *tables):
    """Keep everybody else from writing, or even reading, some tables."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for table in tables:
                await connection.execute(f"lock table {table} in access exclusive mode")
            yield connection
    finally:
        await connection.close()


async def test_a_database_that_does_not_answer_is_told_and_works_again(url):
    async with Postgres(url, connections=1) as store:
        conversation = await started(store)
        async with locked(url, "messages"):
            store.seconds = 0.3
            for call in (contents(store, conversation), store.add_message(say(conversation))):
                with pytest.raises(Unreachable, match="did not answer in time"):
                    await call
        store.seconds = 60
        await store.add_message(say(conversation, "Again"))
        assert (await contents(store, conversation))[-1] == "Again"  # the other may have been late


async def test_a_write_that_is_done_late_does_not_undo_a_newer_one(storage, monkeypatch):
    late = []
    spoken = evolve(say(await started(storage), "Here comes"), interrupted=True)

    async def give_up(*call):
        late.append(call)
        raise Unreachable("The database did not answer in time.", "Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "send", give_up)
        with pytest.raises(Unreachable):
            await storage.add_message(spoken)
    whole = evolve(spoken, content="Here comes the end.", interrupted=False)
    await storage.add_message(whole)
    await storage.send(*late[0])
    assert await storage.message(spoken.message_id) == whole
    edited = evolve(whole, content="Here comes another end.")
    await storage.add_message(edited)
    assert await storage.message(spoken.message_id) == edited


async def test_a_call_that_is_cancelled_gives_its_connection_back(url):
    async with Postgres(url, connections=1) as store:
        conversation = await started(store)
        async with locked(url, "messages"), anyio.create_task_group() as tasks:
            tasks.start_soon(store.add_message, say(conversation))
            while not await postgres_server.rows(url, WAITING):  # noqa: ASYNC110
                await anyio.sleep(0.01)  # the server tells nobody
            tasks.cancel_scope.cancel()
        await store.add_message(say(conversation, "Again"))
        assert (await contents(store, conversation))[-1] == "Again"


async def test_a_connection_that_breaks_in_the_middle_of_a_call_is_told(server, url):
    async with Postgres(url) as store:
        conversation = await started(store)
        told = []

        async def add():
            with pytest.raises(Unreachable) as error:
                await store.add_message(say(conversation))
            told.append(error.value.line)

        async with locked(url, "messages"), anyio.create_task_group() as tasks:
            tasks.start_soon(add)
            while not (pids := await postgres_server.rows(url, WAITING)):  # noqa: ASYNC110
                await anyio.sleep(0.01)  # the server tells nobody
            await server.run(*(f"select pg_terminate_backend({pid})" for (pid,) in pids))
        assert told[0].startswith(("The database is starting or stopping", "The connection to the"))
        await store.add_message(say(conversation, "Again"))
        assert await contents(store, conversation) == ["Again"]


async def test_a_server_that_stops_and_comes_back_is_served_again():
    own = await anyio.to_thread.run_sync(lambda: postgres_server.started(like_supabase=False))
    async with Postgres(own.url(await own.create()), seconds=3) as store:
        conversation = await started(store)
        await anyio.to_thread.run_sync(own.stop)
        with pytest.raises(Unreachable):
            await store.add_message(say(conversation))
        with pytest.raises(Unreachable, match="cannot be reached"):
            await store.add_message(say(conversation))
        await anyio.to_thread.run_sync(own.start)
        await store.add_message(say(conversation, "Again"))
        assert await contents(store, conversation) == ["Again"]
    await anyio.to_thread.run_sync(own.remove)


async def test_a_read_only_database_is_told(server, url):
    async with Postgres(url) as store:
        name = url.rpartition("/")[2]
        await server.run(f"alter database {name} set default_transaction_read_only = on")
        kick = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        await server.run(kick)
        with pytest.raises(Unreachable):
            await started(store)
        with pytest.raises(Unreachable, match="read-only"):
            await started(store)
        assert len(await store.characters()) == 3


async def test_a_full_house_is_told(server, url):
    async with Postgres(url):
        name = url.rpartition("/")[2]
        await server.run(f"alter database {name} connection limit 1")
        assert "no connection left" in await refusal(url)


async def test_a_closed_store_is_told(url):
    async with Postgres(url) as store:
        pass
    with pytest.raises(Unreachable):
        await store.characters()


# -- at the same moment ------------------------------------------------------------------------


@asynccontextmanager
async def under_way(url, query, *values):
    """Do something, and commit only when somebody waits for it."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(query, *values)
    async with anyio.create_task_group() as tasks:
        yield tasks
        with anyio.fail_after(60):
            while not await postgres_server.rows(url, WAITING):  # noqa: ASYNC110
                await anyio.sleep(0.01)  # the server tells nobody
        await transaction.commit()
    await connection.close()


async def test_a_clip_stays_for_a_voice_that_is_just_being_added(storage, url):
    clip = await storage.add_clip(b"spoken", "wav")
    await storage.add_voice(Voice("Old", audio_path=clip))
    add = "insert into voices (voice, audio_path) values ('New', $1)"
    async with under_way(url, add, clip) as tasks:
        tasks.start_soon(storage.delete_voice, "Old")
    assert await storage.clip(clip) == b"spoken"
    assert (await storage.voice("New")).audio_path == clip


async def test_a_voice_stays_for_a_character_that_is_just_being_added(storage, url):
    await storage.add_voice(Voice("Hers"))
    add = "insert into characters (id, name, voice) values ('zoe', 'Zoë', 'Hers')"
    told = []

    async def delete():
        with pytest.raises(Conflict) as conflict:
            await storage.delete_voice("Hers")
        told.append(conflict.value.problem)

    async with under_way(url, add) as tasks:
        tasks.start_soon(delete)
    assert told == ["The voice 'Hers' is used by Zoë."]


async def test_a_character_that_is_just_being_deleted_says_no_more(storage, url):
    conversation = await started(storage)
    spoken = evolve(say(conversation), character_id="mark-chen-001")

    async def add():
        with pytest.raises(Conflict, match="at this moment"):
            await storage.add_message(spoken)

    delete = "delete from characters where id = 'mark-chen-001'"
    async with under_way(url, delete) as tasks:
        tasks.start_soon(add)
    assert await contents(storage, conversation) == []
    with pytest.raises(NotFound):
        await storage.add_message(spoken)


# -- the schema itself -------------------------------------------------------------------------


async def refused_by(url, statement, *values):
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.PostgresError) as told:
            await connection.execute(statement, *values)
    finally:
        await connection.close()
    return told.value.sqlstate


async def test_references_hold_whoever_writes(storage, url):
    conversation = await started(storage, "mark-chen-001")
    await storage.add_message(say(conversation))
    for statement in (
        "insert into messages (conversation_id, seq, message_id, role, content) "
        "values ('nobody', 1, 'm', 'user', 'x')",
        "update messages set character_id = 'nobody'",
        "update characters set voice = 'nobody'",
        "delete from voices",
        "update voices set audio_path = 'nothing.wav'",
        "insert into conversation_characters (conversation_id, place, character_id) "
        "values ('nobody', 1, 'mark-chen-001')",
    ):
        assert await refused_by(url, statement) == "23503", statement


async def test_values_are_checked_whoever_writes(storage, url):
    await storage.add_message(say(await started(storage)))
    for statement in (
        "update messages set role = 'ghost'",
        "update messages set source = 'thin air'",
        "update voices set method = 'magic'",
        "update characters set extensions = '[]'",
        "update voices set audio_tokens = '{}'",
        "insert into clips (key, data) values (repeat('0', 64) || '.wav', 'lies')",
    ):
        assert await refused_by(url, statement) == "23514", statement


async def test_messages_are_numbered_without_a_gap(storage, url):
    conversation = await started(storage)

    async def write(number):
        await storage.add_messages([say(conversation, f"{number} {n}") for n in range(3)])

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(write, number)
    numbers = await postgres_server.rows(url, "select seq from messages order by seq")
    assert numbers == [(number,) for number in range(1, 25)]


async def test_free_json_comes_back_to_the_letter(storage, url):
    free = {"z": 1e23, "a": 1.0, "b": [0.1, -0.0], "é": {"y": 1, "x": 2}}
    made = await storage.add_character(Character("", "Free", extensions=free))
    kept = (await storage.character(made.id)).extensions
    assert json.dumps(kept) == json.dumps(free)


async def test_what_breaks_a_rule_of_the_database_is_a_bad_value(storage):
    with pytest.raises(BadValue, match="breaks a rule"):
        await storage.add_character(Character("x" * 9000 + os.urandom(9000).hex(), "Long"))


async def test_a_search_uses_its_index(storage, url):
    conversation = await started(storage)
    for part in range(20):
        await storage.add_messages([say(conversation, f"word{part} {n}") for n in range(100)])
    connection = await asyncpg.connect(url)
    await connection.execute("analyze messages")
    plan = await connection.fetch(
        "explain select * from messages where owner = aichat.owner() and words @> array['word7']"
    )
    await connection.close()
    assert "messages_words" in str(plan)


def test_the_wheel_has_the_migrations(tmp_path, monkeypatch):
    folder = tmp_path / "plugins" / "postgres" / "migrations"
    folder.parent.mkdir(parents=True)
    root = migrate.files("aichat").parent  # type: ignore[attr-defined]
    shutil.copytree(root / "supabase" / "migrations", folder)
    expected = migrate.shipped()
    monkeypatch.setattr(migrate, "files", lambda _: tmp_path)
    assert migrate.shipped() == expected
    assert len(expected) >= 3
