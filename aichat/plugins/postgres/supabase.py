"""Storage in a Supabase project: the functions of ``supabase/migrations``, called over its API.

Every call is one POST, which the client never repeats by itself. What it does is one transaction.

A key that passes row level security (``sb_secret_…``, or the older service_role) has one set of
records. With the public key (``sb_publishable_…``, or anon) the store signs in as the user of
*email* and *password*, and has that user's.
"""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from attrs import define, field

from aichat.core import (
    AichatError,
    Backend,
    BackendFailed,
    CannotStart,
    Storage,
    Unreachable,
    hookimpl,
)
from aichat.core.redaction import shown_url
from aichat.toolkit.bounded_http import ASK, MB, bounds
from aichat.toolkit.network import is_this_machine
from aichat.toolkit.packages import installs

from .calls import Calls
from .errors import NO_TABLES, Expired, Forbidden, explained

VERSION = "20261201000000"
"""The newest migration, which this version of aichat needs."""

IDLE_SECONDS = 60.0
"""Seconds for which a connection is kept for the next call, which then needs no new handshake."""

LARGEST = 128 * MB
"""Bytes that an answer may have: the largest is an uploaded clip."""

MEND = (
    "Check SUPABASE_URL and the network. A free project that is not used pauses: resume it in the "
    "dashboard."
)


@define(eq=False)
class Identity(Calls):
    """The store as one user sees it, or a key that passes row level security."""

    host: str
    seconds: float
    client: Any = field(repr=False)

    async def send(self, function: str, arguments: dict[str, Any]) -> Any:
        try:
            with anyio.fail_after(self.seconds):
                return (await self.client.rpc(function, arguments).execute()).data
        except Exception as error:
            raise as_ours(error, self.host) from None


@define(eq=False)
class Supabase(Calls):
    """The project at *url*. A call that takes longer than *seconds* fails."""

    url: str = field(default="", repr=shown_url)
    key: str = field(default="", repr=False)
    email: str = ""
    password: str = field(default="", repr=False)
    seconds: float = 5
    _library: Any = field(default=None, init=False, repr=False)
    _http: Any = field(default=None, init=False, repr=False)
    _identity: Any = field(default=None, init=False, repr=False)
    _signing_in: anyio.Lock = field(factory=anyio.Lock, init=False, repr=False)

    async def __aenter__(self) -> Supabase:
        for value, name in ((self.url, "SUPABASE_URL"), (self.key, "SUPABASE_ANON_KEY")):
            if not value:
                raise CannotStart(f"{name} is not set.", f"Put {name}=... into .env.")
        await anyio.to_thread.run_sync(self._load)
        try:
            self._identity = await self._sign_in()
            await self._check()
            await self.open_store()
        except BaseException as error:
            await self.__aexit__()
            if isinstance(error, AichatError) and not isinstance(error, CannotStart):
                raise CannotStart(error.problem, error.hint) from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(2, shield=True):
            await self._http.aclose()

    async def send(self, function: str, arguments: dict[str, Any]) -> Any:
        identity = self._identity
        try:
            return await identity.send(function, arguments)
        except Expired:  # and so the call has done nothing
            if not self.email:
                raise
        async with self._signing_in:
            if self._identity is identity:
                self._identity = await self._sign_in()
        return await self._identity.send(function, arguments)

    @property
    def host(self) -> str:
        """The server's name."""
        try:
            return urlsplit(self.url).hostname or "no address"
        except ValueError:
            return "no address"

    def _load(self) -> None:
        """Import the library and make the HTTP client: both take long, so this is in a thread."""
        try:
            self._library = importlib.import_module("supabase")
        except ImportError as error:
            raise CannotStart(
                f"The package supabase cannot be imported ({error}).",
                installs("supabase"),
            ) from None
        httpx = importlib.import_module("httpx")
        bound = bounds(httpx, lambda _: LARGEST, "the Supabase project", MEND)
        self._http = httpx.AsyncClient(
            timeout=self.seconds,
            limits=httpx.Limits(max_connections=20, keepalive_expiry=IDLE_SECONDS),
            trust_env=not is_this_machine(self.host),  # no proxy on the way to this machine
            headers=ASK,
            event_hooks={"response": [bound, _require_json]},
        )

    async def _sign_in(self) -> Identity:
        """Make a client with the key; with the user's token, if there is a user."""
        options = self._library.AsyncClientOptions(
            httpx_client=self._http, persist_session=False, auto_refresh_token=False
        )
        try:
            with anyio.fail_after(self.seconds):
                client = await self._library.create_async_client(self.url, self.key, options)
                if self.email:
                    who = {"email": self.email, "password": self.password}
                    await client.auth.sign_in_with_password(who)
        except Exception as error:
            raise as_ours(error, self.host) from None
        return Identity(self.host, self.seconds, client)

    async def _check(self) -> None:
        try:
            version = await self.call("aichat_version")
        except Forbidden:
            raise CannotStart(
                "The public key of the Supabase project reaches nothing by itself.",
                "Put the secret key (sb_secret_…, service_role) into SUPABASE_ANON_KEY, or a user "
                "of the project into SUPABASE_EMAIL and SUPABASE_PASSWORD, in .env.",
            ) from None
        if version < VERSION:
            raise CannotStart(*NO_TABLES)
        if version > VERSION:
            raise CannotStart(
                f"The project was used by a newer aichat (migration {version}).", "Update aichat."
            )


class NotJson(Exception):
    """Something else answers: a captive portal, say, that wants its terms accepted first."""


async def _require_json(response: Any) -> None:
    if response.is_success and "json" not in response.headers.get("content-type", ""):
        raise NotJson


def as_ours(error: Exception, host: str) -> AichatError:
    """Make one of our errors of what the client raised: without its words, which may be private."""
    if isinstance(error, BackendFailed):  # its answer was refused
        return Unreachable(error.problem, error.hint)
    if isinstance(error, AichatError):
        return error
    kind, code = type(error).__name__, str(getattr(error, "code", None) or "no code")
    if kind == "APIError":
        words = (str(getattr(error, name) or "") for name in ("message", "hint", "details"))
        return explained(code, *words)
    if kind == "AuthApiError":
        problem = f"The Supabase project at {host} does not let the user in ({code})."
        return Unreachable(problem, "Mend SUPABASE_EMAIL and SUPABASE_PASSWORD in .env.")
    if isinstance(error, TimeoutError):
        return Unreachable(f"The Supabase project at {host} did not answer in time.", MEND)
    return Unreachable(f"The Supabase project at {host} does not answer ({kind}).", MEND)


@hookimpl
def storage_backend() -> Backend[Storage]:
    """Offer ``use = "supabase"``."""
    return Backend("supabase", Supabase)
