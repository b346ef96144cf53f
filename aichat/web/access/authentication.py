"""The authenticator: every request and WebSocket passes it, after the guard and before any route.

It limits what one client may use, asks the plug-ins for the actor (hook ``authenticate``), and
closes an open WebSocket when its client is no longer authenticated.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol
from urllib.parse import urlencode

import anyio
from attrs import define, field
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope
from pluggy import PluginManager

from aichat.core import Actor, AichatError, Connection, Denied, Unreachable, WebConfig
from aichat.core.authentication import Authentication

from .rate_limits import Buckets, Sockets, TooMany, client_of
from .refusals import reason, refuse_http, refuse_socket

PLUGIN = "aichat.web.access"
"""The name under which aichat's own ``authenticate`` is registered."""
PUBLIC_PATHS = ("/health", "/login")
"""Paths that need no login."""
STATIC = "/static/"
CHAT_PATH = "/ws"
OTHER_SOCKETS = 4
"""Other sockets that a client may have open, for each chat socket that it may have."""
BURST_SECONDS = 10
"""Burst of requests: what a client may send in this many seconds, it may send at once."""
LOGIN_SECONDS = 40
"""Burst of login attempts, which have limits of their own (``token.py``): guessing must not use up
the requests of other users at the same address."""
RECHECK_SECONDS = 1.0
CLOSE_SECONDS = 2.0
"""Timeout for sending a close frame."""


class Access(Protocol):
    """What ``[web] access`` names: a plug-in, with a slow path beside its hook."""

    async def learn(self, connection: Connection) -> bool:
        """Check a request that no plug-in knows, slowly; True: ask the hook once more."""

    def is_proven(self, connection: Connection) -> bool:
        """Return whether an unauthenticated request has a secret that cannot be guessed."""


class Unauthenticated(AichatError):
    """The request has no valid login."""

    code = "login_needed"


STATUS: dict[type[AichatError], int] = {
    Unauthenticated: 401,
    Denied: 403,
    TooMany: 429,
    Unreachable: 503,
}


@define(eq=False)
class OpenSocket:
    """An open WebSocket, and how to close it."""

    connection: Connection
    actor: Actor
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    why: str | AichatError = ""

    def cut(self, why: str | AichatError) -> None:
        """Cancel its handler; *why* becomes the reason of the close frame."""
        self.why = why
        self.scope.cancel()


class Authenticator:
    """Lets authenticated requests through to *app*; *access* is aichat's own plug-in."""

    def __init__(
        self, app: ASGIApp, manager: PluginManager, access: Access, web: WebConfig
    ) -> None:
        if manager.has_plugin(PLUGIN):
            manager.unregister(name=PLUGIN)  # of an application made before this one
        manager.register(access, PLUGIN)
        self.app, self.access = app, access
        self._authentication = Authentication(manager)
        self._has_login = web.access == "token"
        self._requests = Buckets(web.max_requests_per_s, BURST_SECONDS * web.max_requests_per_s)
        self._logins = Buckets(web.max_requests_per_s, LOGIN_SECONDS * web.max_requests_per_s)
        self._chat_sockets = Sockets(web.max_sockets)
        self._other_sockets = Sockets(OTHER_SOCKETS * web.max_sockets)
        self._open: set[OpenSocket] = set()

    @property
    def knows_only_local(self) -> bool:
        """Whether only this machine can ever be let in."""
        return not (self._has_login or self._authentication.has_plugins())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        try:
            if _is_public(connection):
                self._count(connection)
            else:
                scope["user"] = await self._admit(connection)
        except AichatError as error:
            status, headers = _answer(error)
            if status == 401 and self._has_login and _wants_page(connection):
                status, headers = 303, [(b"location", _login(connection.path))]
            await refuse_http(scope, send, status, error.line, headers)
        else:
            await self.app(scope, receive, send)

    async def _websocket(self, scope: WebSocketScope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        client = client_of(connection.client)
        sockets = self._chat_sockets if connection.path == CHAT_PATH else self._other_sockets
        try:
            scope["user"] = actor = await self._admit(connection)
            sockets.enter(client)
        except AichatError as error:
            status, headers = _answer(error)
            code = 1013 if error.retryable else 1008  # 1013: the page tries again by itself
            await refuse_socket(scope, receive, send, status, error, headers, code)
            return
        try:
            await self._serve(OpenSocket(connection, actor), scope, receive, send)
        finally:
            sockets.leave(client)

    async def _serve(self, opened: OpenSocket, scope: Scope, receive: Receive, send: Send) -> None:
        self._open.add(opened)
        try:
            with opened.scope:
                await self.app(scope, receive, send)
        finally:
            self._open.discard(opened)
        if opened.scope.cancelled_caught:
            await _close(send, opened.why)

    async def _admit(self, connection: Connection) -> Actor:
        """Count a request, and return its actor. Raises TooMany, or Unauthenticated."""
        try:
            actor = self._authentication.actor(connection)
        except AichatError:
            self._count(connection)
            raise
        self._count(connection, actor)
        return actor or await self._identify(connection)

    def _count(self, connection: Connection, actor: Actor | None = None) -> None:
        """Count a request of a client; a logged-in actor has a bucket of its own per address."""
        client, buckets = client_of(connection.client), self._requests
        if actor and self._has_login:
            client = f"{client} {actor.name}"
        elif self._has_login and _logs_in(connection):
            if self.access.is_proven(connection):
                return
            buckets = self._logins
        if wait := buckets[client].take():
            raise TooMany("Too many requests from your address.", "Ask less often.", wait)

    async def _identify(self, connection: Connection) -> Actor:
        actor = self._authentication.actor(connection)
        if actor is None and await self.access.learn(connection):
            actor = self._authentication.actor(connection)
        if actor is None:
            raise Unauthenticated(
                "You are not logged in, or not any more.",
                "Log in at /login, or send `Authorization: Bearer TOKEN`.",
            )
        return actor

    # -- open sockets ------------------------------------------------------------------------

    async def watch(self) -> None:
        """Recheck open WebSockets every second, for ever."""
        while True:
            await anyio.sleep(RECHECK_SECONDS)
            await self.recheck()

    async def recheck(self) -> None:
        """Authenticate every open WebSocket again, and close those that fail."""
        for opened in tuple(self._open):
            try:
                if await self._identify(opened.connection) != opened.actor:
                    opened.cut("You are logged in as somebody else now. Reload the page.")
            except AichatError as error:
                if not error.retryable:  # a busy keyring is no reason to close a socket
                    opened.cut(error)


async def _close(send: Send, why: str | AichatError) -> None:
    """Close a WebSocket that was cut; gives up if the client does not read, or has left."""
    with anyio.move_on_after(CLOSE_SECONDS), suppress(RuntimeError, OSError):
        await send({"type": "websocket.close", "code": 1008, "reason": reason(why)})


def connection_of(scope: HTTPScope | WebSocketScope) -> Connection:
    """Return what plug-ins need to know about a request."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        glue = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{glue}{text}" if name in headers else text
    return Connection(
        kind="http" if scope["type"] == ScopeType.HTTP else "websocket",
        path=scope["path"],
        client=scope["client"][0] if scope["client"] else None,
        headers=headers,
        method=scope["method"] if scope["type"] == ScopeType.HTTP else "GET",
        query=scope["query_string"].decode("latin-1"),
        scheme=scope["scheme"],
    )


def _is_public(connection: Connection) -> bool:
    path = connection.path
    # browsers send CORS preflight requests without cookies or tokens
    asks_first = (
        connection.method == "OPTIONS" and "access-control-request-method" in connection.headers
    )
    return asks_first or path in PUBLIC_PATHS or path.startswith(STATIC)


def _logs_in(connection: Connection) -> bool:
    return connection.path == "/login" or "authorization" in connection.headers


def _wants_page(connection: Connection) -> bool:
    is_read = connection.method in ("GET", "HEAD")
    return is_read and "text/html" in connection.headers.get("accept", "")


def _login(path: str) -> bytes:
    return f"/login?{urlencode({'next': path})}".encode() if path != "/" else b"/login"


def _answer(error: AichatError) -> tuple[int, list[tuple[bytes, bytes]]]:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if status == 401:
        return status, [(b"www-authenticate", b'Bearer realm="aichat"')]
    if status in (429, 503):
        wait = error.wait if isinstance(error, TooMany) else 5
        return status, [(b"retry-after", str(wait).encode())]
    return status, []
