"""The Storage protocol on PostgreSQL."""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import AsyncExitStack
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from attrs import define, field

from aichat.core import AichatError, CannotStart, Unreachable
from aichat.toolkit.packages import installs

from .calls import Calls
from .errors import explained
from .migrate import migrate

START_SECONDS = 30.0
"""Timeout (s) for connecting and migrating."""


@define(eq=False)
class Postgres(Calls):
    """A database at *url*, ``postgresql://USER:PASSWORD@HOST/DATABASE``, that its user owns.

    A call that takes longer than *seconds* fails. asyncpg runs on asyncio only.
    """

    url: str = field(default="", repr=False)
    seconds: float = 5
    connections: int = 10
    _pool: Any = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Postgres:
        if not self.url:
            raise CannotStart(
                "No database is named.",
                "Put DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE into .env.",
            )
        asyncpg = await library()
        try:
            with anyio.fail_after(START_SECONDS):
                await self._open(asyncpg)
        except CannotStart:
            raise
        except Exception as error:
            ours = as_ours(error, self.url)
            raise CannotStart(ours.problem, ours.hint) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(2, shield=True):
            await self._pool.close()
        self._pool.terminate()

    async def send(self, function: str, arguments: dict[str, Any]) -> Any:
        values = [_packed(value) for value in arguments.values()]
        try:
            with anyio.fail_after(self.seconds):
                answer = await self._pool.fetchval(_query(function, tuple(arguments)), *values)
        except Exception as error:
            raise as_ours(error, self.url) from None
        return json.loads(answer)

    async def _open(self, asyncpg: Any) -> None:
        async with AsyncExitStack() as stack:
            self._pool = asyncpg.create_pool(
                self.url,
                min_size=1,
                max_size=self.connections,
                timeout=self.seconds,
                server_settings={"application_name": "aichat"},
            )
            stack.callback(self._pool.terminate)
            await self._pool
            async with self._pool.acquire() as connection:
                await migrate(connection)
            await self.open_store()
            stack.pop_all()  # it stays open


async def library() -> Any:
    """Import asyncpg, which takes a while, or say why it will not do."""
    try:
        asyncio.get_running_loop()
        return await anyio.to_thread.run_sync(importlib.import_module, "asyncpg")
    except RuntimeError:
        raise CannotStart("asyncpg runs on asyncio only.", "Use another store on trio.") from None
    except ImportError as error:
        raise CannotStart(
            f"The package asyncpg cannot be imported ({error}).",
            installs("postgres"),
        ) from None


def as_ours(error: Exception, url: str) -> AichatError:
    """Make one of our errors of what asyncpg raised: without its words, which may be private."""
    if isinstance(error, AichatError):
        return error
    if state := getattr(error, "sqlstate", None):
        hint, detail = (getattr(error, name, None) or "" for name in ("hint", "detail"))
        return explained(state, str(error.args[0]), hint, detail)
    if isinstance(error, ValueError):
        return Unreachable(
            "DATABASE_URL is no address of a PostgreSQL database.",
            "Write postgresql://USER:PASSWORD@HOST/DATABASE, and %40 for an @ in the password.",
        )
    where, kind = _place(url), type(error).__name__
    if isinstance(error, TimeoutError):
        problem = f"The database at {where} did not answer in time."
    elif isinstance(error, OSError):
        problem = f"The database at {where} cannot be reached ({kind})."
    else:
        problem = f"The connection to the database at {where} failed ({kind})."
    return Unreachable(problem, "Check DATABASE_URL, and that the server runs.")


def _place(url: str) -> str:
    """Name the server, and leave out the password."""
    return urlsplit(url).netloc.rpartition("@")[2] or "this machine"


@cache
def _query(function: str, names: tuple[str, ...]) -> str:
    arguments = ", ".join(f"{name} => ${place}" for place, name in enumerate(names, 1))
    return f'select public."{function}"({arguments})'


def _packed(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
