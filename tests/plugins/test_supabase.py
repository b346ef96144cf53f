import os
import re
import sys

import anyio
import asyncpg
import pytest
from postgrest import AsyncPostgrestClient
from postgrest.exceptions import APIError

from aichat.core import CannotStart, Character, Conversation, NotFound, Unreachable
from aichat.core.registry.config import build, read_config
from aichat.core.testing.storage.contract import StorageContract, contents, say, started
from aichat.plugins.postgres import supabase as postgres_supabase
from aichat.plugins.postgres.migrate import migrate, shipped
from aichat.plugins.postgres.supabase import VERSION, Identity, Supabase, storage_backend
from aichat.toolkit.packages import installs
from support import fake_postgrest, postgres_server
from support.fake_postgrest import ALICE, BOB, PUBLISHABLE, SECRET_KEY, token
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio

AS_ALICE = {"key": PUBLISHABLE, "email": "alice@example.com", "password": "wonderland"}
REAL = os.environ.get("AICHAT_TEST_SUPABASE_URL", "")
REAL_KEY = os.environ.get("AICHAT_TEST_SUPABASE_KEY", "")


async def made(server):
    name = await server.create()
    connection = await asyncpg.connect(server.url(name))
    await migrate(connection)
    await connection.close()
    return name


@pytest.fixture(scope="module")
def server():
    return postgres_server.like_supabase()


@pytest.fixture(scope="module")
def shared(server):
    """A project for the contract, which does not mind what others leave behind."""
    double = fake_postgrest.Double(server.url(anyio.run(made, server), "authenticator"))
    with fake_postgrest.serving(double):
        yield double
    assert not double.unmodelled


@pytest.fixture
async def database(server):
    return await made(server)


@pytest.fixture
def project(server, database):
    """A new project."""
    double = fake_postgrest.Double(server.url(database, "authenticator"))
    with fake_postgrest.serving(double):
        yield double
    assert not double.unmodelled


class TestContractWithTheSecretKey(OpenedOnce, StorageContract):
    programs = 10

    @pytest.fixture(scope="class")
    @classmethod
    async def storage(cls, shared):
        async with storage_backend().make(shared.address, SECRET_KEY, seconds=30) as store:
            yield store


class TestContractAsOneUserOfMany(OpenedOnce, StorageContract):
    """By the rights of a user, who is not alone: what others have is in the way."""

    programs = 10

    @pytest.fixture(scope="class")
    @classmethod
    async def storage(cls, shared):
        async with Supabase(shared.address, **AS_ALICE, seconds=30) as store:
            yield store


class InARealProject(OpenedOnce):
    @pytest.fixture(scope="class")
    @classmethod
    async def storage(cls):
        async with Supabase(REAL, REAL_KEY, seconds=30) as store:
            yield store


if REAL:

    class TestContractInARealProject(InARealProject, StorageContract):
        programs = 5

else:

    @pytest.mark.skip(reason="AICHAT_TEST_SUPABASE_URL names no project")
    def test_the_contract_holds_in_a_real_project():
        """Set that, and AICHAT_TEST_SUPABASE_KEY, to run all of it there."""


# -- beginning ---------------------------------------------------------------------------------


async def test_three_characters_live_in_a_new_project_and_deleted_ones_stay_away(project):
    async with Supabase(project.address, SECRET_KEY) as store:
        assert len(await store.characters()) == 3
        await store.delete_character("mark-chen-001")
    async with Supabase(project.address + "/", SECRET_KEY) as store:
        assert [c.voice for c in await store.characters()] == ["Olivia", "Rosa"]


async def test_each_user_finds_them_and_the_older_kind_of_key_will_do(project):
    async with Supabase(project.address, SECRET_KEY) as store:
        for character in await store.characters():
            await store.delete_character(character.id)
    async with Supabase(project.address, **{**AS_ALICE, "key": token("anon")}) as store:
        assert len(await store.characters()) == 3
    async with Supabase(project.address, token("service_role")) as store:
        assert await store.characters() == []


async def test_the_environment_says_which_project(project, tmp_path):
    (file := tmp_path / "plugins.toml").write_text('[storage]\nuse = "supabase"\n')
    environment = {"SUPABASE_URL": project.address, "SUPABASE_ANON_KEY": SECRET_KEY}
    config = read_config(file, environment)
    async with build(config, "storage", "supabase", storage_backend().make)() as store:
        assert len(await store.characters()) == 3
    nothing = build(read_config(file, {}), "storage", "supabase", storage_backend().make)()
    with pytest.raises(CannotStart, match=r"SUPABASE_URL=\.\.\."):
        await nothing.__aenter__()


async def refusal(*address, **settings):
    with pytest.raises(CannotStart) as told:
        async with Supabase(*address, **settings):
            pass
    assert told.value.__cause__ is None
    for secret in (SECRET_KEY, PUBLISHABLE, "wonderland", fake_postgrest.SECRET):
        assert secret not in str(told.value)
    return told.value.line


async def test_what_is_missing_is_told(project, monkeypatch):
    assert "SUPABASE_URL=" in await refusal()
    assert "SUPABASE_ANON_KEY=" in await refusal(project.address)
    monkeypatch.setitem(sys.modules, "supabase", None)
    assert installs("supabase") in await refusal(project.address, SECRET_KEY)


async def test_the_public_key_alone_reaches_nothing(project):
    for key in (PUBLISHABLE, token("anon")):
        line = await refusal(project.address, key)
        assert "reaches nothing by itself" in line
        assert "secret key" in line
        assert "SUPABASE_PASSWORD" in line


async def test_a_wrong_key_is_told(project):
    for key in ("sb_secret_wrong", token("service_role", secret="x" * 40), "x"):
        assert "refuses the request" in await refusal(project.address, key)


async def test_a_wrong_password_is_told(project):
    settings = {**AS_ALICE, "password": "looking-glass"}
    line = await refusal(project.address, **settings)
    assert "does not let the user in (invalid_credentials)" in line
    assert "looking-glass" not in line


async def test_a_role_of_somebodys_own_making_is_refused(project):
    assert "does not let this user" in await refusal_later(project, token("postgres", ALICE))
    assert "does not let this user" in await refusal_later(project, token("authenticator", ALICE))


async def test_a_project_without_tables_is_told_how_to_get_them(server):
    double = fake_postgrest.Double(server.url(await server.create(), "authenticator"))
    with fake_postgrest.serving(double):
        line = await refusal(double.address, SECRET_KEY)
    assert "no tables for this version" in line
    assert "supabase db push" in line


@pytest.mark.parametrize(
    ("ours", "words"),
    [("20990101000000", "no tables for this version"), ("20200101000000", "Update aichat")],
)
async def test_another_version_of_the_tables_is_told(project, monkeypatch, ours, words):
    monkeypatch.setattr(postgres_supabase, "VERSION", ours)
    assert words in await refusal(project.address, SECRET_KEY)


def test_the_store_asks_for_the_newest_migration():
    assert shipped()[-1].version == VERSION
    told = re.search(r"aichat_version\(\).*?'(\d+)'", shipped()[-1].script, re.DOTALL)
    assert told
    assert told[1] == VERSION


async def test_an_address_without_a_project_is_told():
    for address in ("http://127.0.0.1:1", "nonsense", "http://[::1", "ftp://example.com"):
        line = await refusal(address, SECRET_KEY)
        assert "does not answer" in line
        assert "Check SUPABASE_URL" in line


# -- users -------------------------------------------------------------------------------------


def as_user(store, access):
    """The store of the user whose access token this is, beside the one that is open."""
    headers = {"apikey": store.key, "Authorization": f"Bearer {access}"}
    address = f"{store.url.rstrip('/')}/rest/v1"
    client = AsyncPostgrestClient(address, headers=headers, http_client=store._http)
    return Identity(store.host, store.seconds, client)


async def refusal_later(project, access):
    async with Supabase(project.address, SECRET_KEY) as store:
        user = as_user(store, access)
        with pytest.raises(Unreachable) as told:
            await user.characters()
        with pytest.raises(Unreachable):
            await started(user)
    return told.value.line


async def test_users_have_records_of_their_own_under_the_same_ids(project):
    async with Supabase(project.address, SECRET_KEY) as store:
        alice, bob = (as_user(store, token("authenticated", who)) for who in (ALICE, BOB))
        for who, name in ((alice, "Alice's"), (bob, "Bob's"), (store, "Everybody's")):
            assert who is store or await who.characters() == []
            await who.open_store()
            await who.change_character("olivia-barns-001", {"name": name})
        for who, name in ((alice, "Alice's"), (bob, "Bob's"), (store, "Everybody's")):
            assert (await who.character("olivia-barns-001")).name == name
            assert len(await who.characters()) == 3


async def test_nobody_reaches_what_is_somebody_elses(project):
    async with Supabase(project.address, SECRET_KEY) as store:
        alice, bob = (as_user(store, token("authenticated", who)) for who in (ALICE, BOB))
        conversation = await started(alice)
        await alice.add_message(message := say(conversation, "A secret"))
        clip = await alice.add_clip(b"a voice", "wav")
        await alice.change_settings({"theme": "dark"})
        for stranger in (bob, store):
            for call in (
                stranger.conversation(conversation),
                stranger.recent_messages(conversation),
                stranger.add_message(say(conversation)),
                stranger.message(message.message_id),
                stranger.change_conversation(conversation, {"title": "Mine"}),
                stranger.delete_conversation(conversation),
                stranger.clip(clip),
            ):
                with pytest.raises(NotFound):
                    await call
            assert await stranger.search_messages("secret") == []
            assert await stranger.settings() == {}
            assert await stranger.conversations() == []
        assert await contents(alice, conversation) == ["A secret"]


async def test_tables_hide_what_is_somebody_elses_from_every_client(project):
    """Whoever has the public key may try without our functions."""
    async with Supabase(project.address, SECRET_KEY) as store:
        for who in (ALICE, BOB):
            await as_user(store, token("authenticated", who)).open_store()
        alice, service, public = (
            as_user(store, access).client
            for access in (token("authenticated", ALICE), SECRET_KEY, PUBLISHABLE)
        )
        seen = (await alice.table("characters").select("*").execute()).data
        assert {row["owner"] for row in seen} == {ALICE}
        everybody = (await service.table("characters").select("*").execute()).data
        assert len(everybody) == 9
        for forged in ({"owner": BOB, "id": "x", "name": "X"}, {"owner": BOB}):
            with pytest.raises(APIError, match="row-level security"):
                await alice.table("characters").insert(forged | {"id": "x", "name": "X"}).execute()
            with pytest.raises(APIError, match="row-level security"):
                await alice.table("characters").update(forged).eq("id", "mark-chen-001").execute()
        gone = await alice.table("characters").delete().eq("id", "mark-chen-001").execute()
        assert [row["owner"] for row in gone.data] == [ALICE]
        assert (await alice.table("characters").delete().eq("owner", BOB).execute()).data == []
        for attempt in (
            public.table("characters").select("*"),
            public.table("messages").insert({"content": "x"}),
            public.table("settings").delete().eq("name", "x"),
            public.rpc("characters", {}),
        ):
            with pytest.raises(APIError, match="permission denied"):
                await attempt.execute()
        assert len((await service.table("characters").select("*").execute()).data) == 8


async def test_a_user_beside_others_does_not_change_who_the_store_is(project):
    async with Supabase(project.address, **AS_ALICE) as store:
        bob = as_user(store, token("authenticated", BOB))
        await store.change_settings({"mine": 1})
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(bob.change_settings, {f"bob's {number}": number})
                tasks.start_soon(store.change_settings, {f"alice's {number}": number})
        assert len(await store.settings()) == 11
        assert len(await bob.settings()) == 10


async def test_a_token_that_is_over_or_forged_is_refused(project):
    for access in (
        token("authenticated", ALICE, seconds=-60),
        token("authenticated", ALICE, secret="y" * 40),
        "nonsense",
    ):
        assert "key or token is refused" in await refusal_later(project, access)


async def test_the_store_signs_in_again_when_its_token_is_over(project):
    async with Supabase(project.address, **AS_ALICE) as store:
        conversation = await started(store)
        project.expire()
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(store.add_message, say(conversation, str(number)))
        assert sorted(await contents(store, conversation)) == [str(n) for n in range(8)]
        assert len(project.issued) == 2


# -- what goes over the wire --------------------------------------------------------------------

REQUESTS = """
POST /rest/v1/rpc/aichat_version {}
POST /rest/v1/rpc/open_store {p_characters p_voices}
POST /rest/v1/rpc/characters {p_active}
POST /rest/v1/rpc/character {p_id}
POST /rest/v1/rpc/add_character {p_character}
POST /rest/v1/rpc/add_messages {p_messages}
POST /rest/v1/rpc/recent_messages {p_before p_conversation p_n}
POST /rest/v1/rpc/search_messages {p_limit p_offset p_words}
"""

HEADERS = {
    "accept": "*/*",
    "accept-profile": "public",
    "content-profile": "public",
    "content-type": "application/json",
}


async def test_the_client_sends_what_it_always_did(project):
    """A new version of the client that speaks otherwise shows here."""
    async with Supabase(project.address, SECRET_KEY) as store:
        conversation = Conversation("c", active_characters=["rosa-alvarez-001"])
        await store.characters()
        await store.character("rosa-alvarez-001")
        await store.add_character(Character("", "Zoë", temperature=0.5))
        await store.add_conversation(conversation)
        project.requests.pop()
        await store.add_message(say("c", "Héllo, wörld"))
        await store.recent_messages("c")
        await store.search_messages("hello")
    seen = [f"{method} {path} {{{' '.join(sorted(body))}}}" for method, path, _, body in
            project.requests]  # fmt: skip
    assert seen == REQUESTS.split("\n")[1:-1]
    for _, _, headers, _ in project.requests:
        assert headers["apikey"] == SECRET_KEY
        assert headers["authorization"] == f"Bearer {SECRET_KEY}"
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert not {"prefer", "range", "cookie"} & set(headers)


async def test_signing_in_sends_the_password_once_and_the_token_from_then_on(project):
    async with Supabase(project.address, **AS_ALICE) as store:
        await store.settings()
    (method, path, headers, body), *others = project.requests
    assert (method, path) == ("POST", "/auth/v1/token?grant_type=password")
    assert headers["apikey"] == PUBLISHABLE
    assert (body["email"], body["password"]) == ("alice@example.com", "wonderland")
    for _, _, headers, body in others:
        assert headers["apikey"] == PUBLISHABLE
        assert headers["authorization"] == f"Bearer {project.issued[0]}"
        assert "wonderland" not in str(body)


# -- what goes wrong later ---------------------------------------------------------------------

PAUSED = b"<html>Project paused</html>"
OVERLOADED = b'{"code":"PGRST003","message":"Timed out","details":null,"hint":null}'


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((540, PAUSED), "project is paused"),
        ((404, b"<html>no such project</html>"), "no Supabase project at this address"),
        ((401, b"<html>go away</html>"), "key or token is refused"),
        ((503, b"upstream connect error"), "The database failed (503)"),
        ((504, OVERLOADED), "database of the project does not answer"),
        ((500, b'{"code":"53100","message":"x"}'), "disk of the database is full"),
        ((500, b'{"code":"57014","message":"x"}'), "took too long"),
        ((301, b""), "The database failed (301)"),
        ((400, b'{"message":"x"}'), "refuses the request"),
        ((400, b'["what?"]'), "The database failed (400)"),
        ("cut", "does not answer (RemoteProtocolError)"),
        ("stall", "did not answer in time"),
    ],
)
async def test_trouble_is_told_once_and_then_it_works_again(project, fault, words):
    async with Supabase(project.address, SECRET_KEY) as store:
        conversation = await started(store)
        for call in (
            lambda: store.conversation(conversation),
            lambda: store.add_message(say(conversation)),
        ):
            project.requests.clear()
            project.fault = fault
            store._identity.seconds = 0.3 if fault == "stall" else 60
            with pytest.raises(Unreachable) as told:
                await call()
            assert words in told.value.line
            assert SECRET_KEY not in str(told.value)
            assert len(project.requests) == 1  # nothing is tried again behind our back
            project.fault = None
        store._identity.seconds = 60
        await store.add_message(say(conversation, "Again"))
        assert (await contents(store, conversation))[-1] == "Again"


async def test_a_project_that_is_gone_is_told(server, database):
    double = fake_postgrest.Double(server.url(database, "authenticator"))
    with fake_postgrest.serving(double):
        store = await Supabase(double.address, SECRET_KEY).__aenter__()
        conversation = await started(store)
    for _ in range(2):
        with pytest.raises(Unreachable, match="does not answer"):
            await store.add_message(say(conversation))
    await store.__aexit__()
    with pytest.raises(Unreachable):
        await store.characters()


async def test_somebody_else_who_answers_is_not_believed(project):
    async with Supabase(project.address, SECRET_KEY) as store:
        project.fault = (200, b"<html>Welcome to the airport</html>")
        with pytest.raises(Unreachable, match=r"does not answer \(NotJson\)"):
            await store.characters()
        project.fault = None
