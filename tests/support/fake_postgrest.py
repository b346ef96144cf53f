"""A fake of Supabase's API: the part of PostgREST that the store uses, on a real PostgreSQL.

It does as PostgREST documents: each request is one transaction (read-only where the function is
stable, or the method GET), in the role of the token, with its claims in ``request.jwt.claims``.
So row level security, constraints and functions are the real ones. What it does not model it
answers with 501 and remembers in ``unmodelled``, which must stay empty.

Written from PostgREST's and Supabase's documentation, for tests.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import jwt
import uvicorn
from attrs import Factory, define

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
PUBLISHABLE, SECRET_KEY = "sb_publishable_test", "sb_secret_test"
KEYS = {PUBLISHABLE: "anon", SECRET_KEY: "service_role"}
ALICE = "00000000-0000-0000-0000-00000000000a"
BOB = "00000000-0000-0000-0000-00000000000b"
USERS = {("alice@example.com", "wonderland"): ALICE, ("bob@example.com", "builder"): BOB}

STATUS = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "23503": 409, "23505": 409, "25006": 405,
    "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53400": 500,
    "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0001": 400,
    "P0": 500, "XX": 500, "42883": 404, "42P01": 404, "42P17": 500,
}  # fmt: skip
"""https://docs.postgrest.org/en/stable/references/errors.html#http-status-codes"""

FUNCTION = """
select p.oid::regproc::text as name, p.provolatile = 'v' as writes, p.proretset as many,
  coalesce(p.proargnames, '{}') as names, p.pronargs - p.pronargdefaults as needed,
  array(select format_type(t, null) from unnest(p.proargtypes) t) as types,
  t.typtype = 'c' as composite, p.prorettype = 'void'::regtype as void
from pg_proc p join pg_type t on t.oid = p.prorettype
where p.pronamespace = 'public'::regnamespace and p.proname = $1
"""


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str | None, message: str, **more: Any) -> None:
        self.status = status
        self.body = {"code": code, "message": message, "details": None, "hint": None, **more}


@define
class Double:
    """An ASGI app, and what it has seen: method, address and body of each request."""

    url: str
    """Of the database, for the role authenticator."""
    address: str = ""
    requests: list[tuple[str, str, dict[str, str], Any]] = Factory(list)
    unmodelled: list[str] = Factory(list)
    issued: list[str] = Factory(list)
    """Access tokens."""
    expired: set[str] = Factory(set)
    fault: tuple[int, bytes] | str | None = None
    """Instead of the answer: a status and a body, "cut" in the middle, or "stall"."""
    _pool: Any = None

    def expire(self) -> None:
        """Let time pass."""
        self.expired.update(self.issued)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        status, answer = await self._answer(scope, body)
        headers = [(b"content-type", b"application/json; charset=utf-8")]
        if scope["path"].startswith("/auth/"):
            headers.append((b"x-supabase-api-version", b"2024-01-01"))
        while self.fault == "stall":  # noqa: ASYNC110 (tests set it from another thread)
            await asyncio.sleep(0.01)
        if isinstance(self.fault, tuple):
            (status, answer), headers = self.fault, []
        if self.fault == "cut":
            headers.append((b"content-length", b"1000000"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(self.url, min_size=1, max_size=8)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        address = scope["path"] + ("?" + scope["query_string"].decode()).rstrip("?")
        try:
            sent = json.loads(body) if body else None
            self.requests.append((scope["method"], address, headers, sent))
            if scope["path"] == "/auth/v1/token":
                return 200, self._token(headers, address, sent)
            return await self._rest(scope["method"], address, headers, sent)
        except Refusal as refusal:
            return refusal.status, json.dumps(refusal.body).encode()

    def _not_modelled(self, what: str) -> Refusal:
        self.unmodelled.append(what)
        return Refusal(501, "TEST501", f"{what} is beyond this double")

    # -- signing in, as GoTrue does ----------------------------------------------------------

    def _token(self, headers: dict[str, str], address: str, sent: Any) -> bytes:
        _require_key(headers)
        if not address.endswith("?grant_type=password"):
            raise self._not_modelled(address)
        user = USERS.get((sent["email"], sent["password"]))
        if user is None:
            raise Refusal(400, "invalid_credentials", "Invalid login credentials")
        now = "2026-01-01T00:00:00Z"
        self.issued.append(token("authenticated", user, serial=len(self.issued)))
        session = {
            "access_token": self.issued[-1], "token_type": "bearer", "refresh_token": "r",
            "expires_in": 3600, "expires_at": int(time.time()) + 3600,
            "user": {"id": user, "aud": "authenticated", "role": "authenticated",
                     "email": sent["email"], "app_metadata": {}, "user_metadata": {},
                     "identities": [], "created_at": now, "updated_at": now},
        }  # fmt: skip
        return json.dumps(session).encode()

    # -- tables and functions, as PostgREST does ---------------------------------------------

    async def _rest(
        self, method: str, address: str, headers: dict[str, str], sent: Any
    ) -> tuple[int, bytes]:
        _require_key(headers)
        path, _, query = address.partition("?")
        profile = {headers.get(f"{kind}-profile", "public") for kind in ("accept", "content")}
        accept = headers.get("accept", "*/*")
        if not path.startswith("/rest/v1/") or accept != "*/*" or profile != {"public"}:
            raise self._not_modelled(f"{path} as {accept} of {profile}")
        name, who = path.removeprefix("/rest/v1/"), self._claims(headers)
        async with self._pool.acquire() as connection:
            if name.startswith("rpc/"):
                if method != "POST" or query or "prefer" in headers:
                    raise self._not_modelled(f"{method} {address} {headers.get('prefer')}")
                writes, sql, values = await self._call(connection, name[4:], sent)
            else:
                writes = method != "GET"
                sql, values = self._table(method, name, parse_qsl(query), headers, sent)
            return await self._run(connection, who, writes, sql, values)

    def _claims(self, headers: dict[str, str]) -> dict[str, Any]:
        """Say who asks; PostgREST allows 30 seconds between the clocks."""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if bearer in KEYS:
            return {"role": KEYS[bearer]}
        try:
            if bearer in self.expired:
                raise jwt.ExpiredSignatureError
            return {"role": "anon", **jwt.decode(bearer, SECRET, ["HS256"], leeway=30)}
        except jwt.ExpiredSignatureError:
            raise Refusal(401, "PGRST303", "JWT expired") from None
        except jwt.PyJWTError as error:
            raise Refusal(401, "PGRST301", str(error)) from None

    async def _run(
        self, connection: Any, who: dict[str, Any], writes: bool, sql: str, values: list[Any]
    ) -> tuple[int, bytes]:
        transaction = connection.transaction(readonly=not writes)
        try:
            async with transaction:
                await connection.execute(
                    "select set_config('search_path', 'public, extensions', true), "
                    "set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                    who["role"], json.dumps(who),
                )  # fmt: skip
                answer = await connection.fetchval(sql, *values)
        except asyncpg.PostgresError as error:
            raise _refused(error, who["role"]) from None
        return (201 if sql.startswith("with done as (insert") else 200), answer.encode()

    async def _call(self, connection: Any, name: str, sent: Any) -> tuple[bool, str, list[Any]]:
        """One function, by name and by the names of its arguments."""
        found = await connection.fetch(FUNCTION, name)
        fits = [f for f in found if set(sent) <= set(f["names"]) and len(sent) >= f["needed"]]
        if not fits:
            told = f"Could not find the function public.{name} in the schema cache"
            raise Refusal(404, "PGRST202", told)
        if len(fits) > 1 or fits[0]["many"] or fits[0]["composite"] or fits[0]["void"]:
            raise self._not_modelled(f"the kind of function that {name} is")
        types = dict(zip(fits[0]["names"], fits[0]["types"], strict=True))
        columns = ", ".join(f'"{key}" {types[key]}' for key in sent)
        given = ", ".join(f'"{key}" := given."{key}"' for key in sent)
        source = f", lateral json_to_record($1::json) as given({columns})" if sent else ""
        call = f'public."{name}"({given})'
        sql = f"select to_json({call})::text from (select $1::json) as body{source}"
        return fits[0]["writes"], sql, [json.dumps(sent)]

    def _table(
        self, method: str, name: str, query: list[tuple[str, str]], headers: dict[str, str],
        sent: Any,
    ) -> tuple[str, list[Any]]:  # fmt: skip
        """All columns of rows where columns equal something: what an attacker would try first."""
        filters = [(key, value) for key, value in query if (key, value) != ("select", "*")]
        prefer = headers.get("prefer", "return=representation")
        if not re.fullmatch("[a-z_]+", name) or prefer != "return=representation":
            raise self._not_modelled(f"{method} {name} {prefer}")
        if any(not value.startswith("eq.") for _, value in filters):
            raise self._not_modelled(f"{method} {name} {query}")
        where = " and ".join(
            [f'"{key}"::text = ${place}' for place, (key, _) in enumerate(filters, 2)] or ["true"]
        )
        columns = ", ".join(f'"{key}"' for key in sent or {})
        record = f'json_populate_record(null::public."{name}", $1::json)'
        statements = {
            "GET": f'select * from public."{name}" where {where}',
            "POST": f'insert into public."{name}" ({columns}) select {columns} from {record} '
            "returning *",
            "PATCH": f'update public."{name}" set ({columns}) = (select {columns} from {record}) '
            f"where {where} returning *",
            "DELETE": f'delete from public."{name}" where {where} returning *',
        }
        sql = (
            f"with done as ({statements[method]}) "
            "select coalesce(json_agg(done), '[]')::text from done, (select $1::json) as body"
        )
        return sql, [json.dumps(sent), *(value[3:] for _, value in filters)]


def token(
    role: str, user: str | None = None, seconds: int = 3600, secret: str = SECRET, **claims: Any
) -> str:
    """Make an access token; without a user, one of the older keys of a project."""
    payload = {"role": role, "exp": int(time.time()) + seconds, "iss": "supabase", **claims}
    return jwt.encode({**payload, **({"sub": user} if user else {})}, secret, "HS256")


def _require_key(headers: dict[str, str]) -> None:
    """The gateway lets nobody in without one of the project's keys."""
    key = headers.get("apikey", "")
    try:
        known = key in KEYS or jwt.decode(key, SECRET, ["HS256"])
    except jwt.PyJWTError:
        known = False
    if not known:
        raise Refusal(401, None, "Invalid API key" if key else "No API key found in request")


def _refused(error: asyncpg.PostgresError, role: str) -> Refusal:
    state = error.sqlstate
    fits = [known for known in STATUS if state.startswith(known)]
    status = STATUS[max(fits, key=len)] if fits else 400
    if state.startswith("PT"):
        status = int(state[2:])
    elif state == "42501":
        status = 401 if role == "anon" else 403
    hint, details = (getattr(error, name, None) for name in ("hint", "detail"))
    return Refusal(status, state, str(error.args[0]), hint=hint, details=details)


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """Serve on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(double, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the double did not start"
            time.sleep(0.01)
        double.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield double
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
