"""What PostgreSQL itself lets the roles of a Supabase project do, without any client of ours."""

import json
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest

from aichat.core import Message, Voice
from aichat.core.testing.storage.contract import started
from aichat.plugins.postgres.store import Postgres
from support import postgres_server
from support.fake_postgrest import ALICE, BOB

pytestmark = pytest.mark.anyio

NIL = "00000000-0000-0000-0000-000000000000"
TABLES = (
    "clips", "voices", "characters", "character_numbers", "conversations",
    "conversation_characters", "messages", "settings",
)  # fmt: skip
ANY_ROW = {
    "clips": "insert into clips (owner, key, data) values ('{}', encode(sha256('x'), 'hex') || "
    "'.wav', 'x')",
    "voices": "insert into voices (owner, voice) values ('{}', 'Another')",
    "characters": "insert into characters (owner, id, name) values ('{}', 'another', 'N')",
    "character_numbers": "insert into character_numbers (owner, slug, last) values ('{}', 'x', 1)",
    "conversations": "insert into conversations (owner, conversation_id) values ('{}', 'another')",
    "conversation_characters": "insert into conversation_characters (owner, conversation_id, "
    "place, character_id) values ('{}', 'c', 9, 'mark-chen-001')",
    "messages": "insert into messages (owner, conversation_id, seq, message_id, role, content) "
    "values ('{}', 'c', 9, 'another', 'user', 'x')",
    "settings": "insert into settings (owner, name, value) values ('{}', 'another', '1')",
}


async def filled(server):
    """Make a database in which Alice, Bob and the nil owner have a row in every table."""
    url = server.url(await server.create())
    for who in (NIL, ALICE, BOB):
        async with Postgres(url) as store:
            if who != NIL:  # the owner of the tables may say who he is
                claims = {"request.jwt.claims": json.dumps({"sub": who})}
                store._pool.set_connect_args(url, server_settings=claims)
                await store._pool.expire_connections()
                await store.open_store()
            conversation = await started(store, "rosa-alvarez-001")
            await store.add_message(
                Message(f"m-{who}", conversation, "user", "Hi", character_id="rosa-alvarez-001")
            )
            clip = await store.add_clip(who.encode(), "wav")
            await store.add_voice(Voice("Cloned", audio_path=clip))
            await store.change_settings({"theme": who})
    return url


@pytest.fixture(scope="module")
def server():
    return postgres_server.like_supabase()


@pytest.fixture(scope="module")
def url(server):
    return anyio.run(filled, server)


@asynccontextmanager
async def acting(url, role, user=None):
    """Be somebody, as PostgREST would, in a transaction that leaves nothing."""
    claims = {"role": role, **({"sub": user} if user else {})}
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(postgres_server.like_supabase().url(name, "authenticator"))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role,
            json.dumps(claims),
        )
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def test_everybody_has_a_row_in_every_table(url):
    async with acting(url, "service_role") as anybody:
        for table in TABLES:
            owners = await anybody.fetch(f"select distinct owner::text from {table} order by 1")
            assert [row["owner"] for row in owners] == [NIL, ALICE, BOB], table


@pytest.mark.parametrize("table", TABLES)
async def test_a_user_sees_and_changes_own_rows_alone(url, table):
    async with acting(url, "authenticated", ALICE) as alice:
        owners = await alice.fetch(f"select distinct owner::text from {table}")
        assert [row["owner"] for row in owners] == [ALICE]
        for other in (BOB, NIL):
            where = f"where owner = '{other}'"
            assert await alice.execute(f"delete from {table} {where}") == "DELETE 0"
            assert await alice.execute(f"update {table} set owner = owner {where}") == "UPDATE 0"


@pytest.mark.parametrize("table", TABLES)
async def test_a_user_may_not_write_as_somebody_else(url, table):
    for other in (BOB, NIL):
        for statement in (
            ANY_ROW[table].format(other),
            f"update {table} set owner = '{other}'",
        ):
            async with acting(url, "authenticated", ALICE) as alice:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await alice.execute(statement)


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
async def test_nobody_empties_a_table_past_its_policies(url, role):
    for table in TABLES:
        async with acting(url, role, ALICE) as somebody:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                await somebody.execute(f"truncate {table} cascade")


@pytest.mark.parametrize("table", TABLES)
async def test_a_token_without_a_user_sees_nothing(url, table):
    async with acting(url, "authenticated") as stranger:
        assert await stranger.fetch(f"select * from {table}") == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["select * from {}", "delete from {}", "truncate {}"])
async def test_the_public_key_reaches_nothing(url, table, statement):
    async with acting(url, "anon") as anybody:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await anybody.execute(statement.format(table))


async def test_the_public_key_may_call_nothing(url):
    functions = await postgres_server.rows(
        url,
        "select p.oid::regprocedure::text, has_function_privilege('anon', p.oid, 'execute'), "
        "has_function_privilege('authenticated', p.oid, 'execute'), prosecdef, "
        "coalesce(proconfig::text, '') from pg_proc p "
        "where pronamespace in ('public'::regnamespace, 'aichat'::regnamespace)",
    )
    assert len(functions) > 30
    for name, anon, authenticated, definer, _ in functions:
        assert (anon, authenticated, definer) == (False, True, False), name


async def test_even_with_rights_the_public_key_sees_nothing(server):
    """As after `grant all on all tables in schema public to anon`, which many a guide tells."""
    own = await filled(server)
    connection = await asyncpg.connect(own)
    await connection.execute("grant all on all tables in schema public to anon")
    await connection.execute("grant usage on schema aichat to anon")
    await connection.execute("grant execute on all functions in schema aichat to anon")
    await connection.close()
    for table in TABLES:
        async with acting(own, "anon") as anybody:
            assert await anybody.fetch(f"select * from {table}") == []
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await anybody.execute(ANY_ROW[table].format(NIL))


async def test_nobody_becomes_a_superuser_by_a_token(url):
    for role in ("postgres", "aichat"):
        with pytest.raises(asyncpg.PostgresError, match="permission denied to set role"):
            async with acting(url, role, ALICE):
                pass
