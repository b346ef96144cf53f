import asyncpg
import postgres
import postgrest_double
import pytest

from aichat.core.testing.storage_contract import StorageContract
from aichat.plugins.postgres.migrate import migrate
from aichat.plugins.postgres_supabase import storage_backend

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    return postgres.like_supabase()


@pytest.fixture
async def database(server):
    name = await server.create()
    connection = await asyncpg.connect(server.url(name))
    try:
        await migrate(connection)
    finally:
        await connection.close()
    return name


@pytest.fixture
def project(server, database):
    double = postgrest_double.Double(server.url(database, "authenticator"))
    with postgrest_double.serving(double):
        yield double
    assert not double.unmodelled


@pytest.fixture
async def storage(project):
    async with storage_backend().make(project.address, postgrest_double.SECRET_KEY) as store:
        yield store


class TestContract(StorageContract):
    """With the fixture *storage* above."""

    programs = 25
