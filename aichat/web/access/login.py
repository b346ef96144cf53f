"""Logging in and out, for browsers.

The one-use address is a page with a button, and only the button uses it up: a
program that only fetches it first (a chat's link preview, a virus scanner) does not. The form posts
to the page's own address, so the secret stands in no HTML, and the answer leads away from it (303).

Each login gets a new cookie and ends the old session, so that no cookie can be planted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from litestar import Request, Response, Router, get, post
from litestar.di import Provide

from aichat.core import Connection
from aichat.web.html.page import OWN_PATH, page
from aichat.web.schemas.forms import read_form
from aichat.web.schemas.parameters import Injected

from .authentication import Authenticator, connection_of
from .cookie import cookie_for, session_of, set_cookie
from .keyring import OWNER
from .rate_limits import TooMany
from .token import Token, code_of

NEEDS_HTTPS = (
    "Browsers keep a login safe only over https, or on the machine that runs aichat. "
    "Put a TLS proxy before it, or start it with --ssl-certfile and --ssl-keyfile."
)
USED = (
    "This login address was used already, or is too old. "
    "`litestar aichat login` on the server's machine prints a new one."
)
WRONG = "No token has this name and secret, or it was revoked."

Req = Request[Any, Any, Any]


@get("/login", include_in_schema=False)
async def ask(request: Req, access: Injected[Token]) -> Response[str]:
    """Show the login page; a browser that is logged in is redirected."""
    connection = connection_of(request.scope)
    if access.authenticate(connection):
        return Response("", status_code=303, headers={"Location": _next(connection)})
    return _page(request)


@post("/login", include_in_schema=False, request_max_body_size=10_000)
async def log_in(request: Req, access: Injected[Token]) -> Response[str]:
    """Log a browser in."""
    connection = connection_of(request.scope)
    cookie = cookie_for(connection)
    if cookie is None:
        return _page(request, 403, NEEDS_HTTPS)
    try:
        name = await _name(request, connection, access)
    except TooMany as error:
        return _page(request, 429, error.line, {"Retry-After": str(error.wait)})
    if name is None:
        return _page(request, 403, USED if code_of(connection) else WRONG)
    secret = await to_thread.run_sync(_renewed, access, session_of(connection), name)
    headers = {"Location": _next(connection), "Set-Cookie": set_cookie(cookie, secret)}
    return Response("", status_code=303, headers=headers)


@post("/logout", include_in_schema=False)
async def log_out(
    request: Req, access: Injected[Token], authenticator: Injected[Authenticator]
) -> Response[str]:
    """Log a browser out; its open WebSockets are closed at once."""
    connection = connection_of(request.scope)
    headers = {"Location": "/login"}
    if secret := session_of(connection):
        await to_thread.run_sync(access.keyring.end_session, secret)
    if cookie := cookie_for(connection):
        headers["Set-Cookie"] = set_cookie(cookie, "", 0)
    await authenticator.recheck()
    return Response("", status_code=303, headers=headers)


async def _name(request: Req, connection: Connection, access: Token) -> str | None:
    if code := code_of(connection):
        return OWNER if await access.use_code(code) else None
    form = await read_form(request)
    name, secret = str(form.get("name", "")).strip(), str(form.get("secret", "")).strip()
    secret = secret.removeprefix(f"{name}.")  # the whole token was pasted
    return name if await access.check(connection.client, name, secret) else None


def _renewed(access: Token, old: str | None, name: str) -> str:
    if old:
        access.keyring.end_session(old)
    return access.keyring.new_session(name)


def _page(
    request: Req, status: int = 200, problem: str = "", headers: dict[str, str] | None = None
) -> Response[str]:
    connection = connection_of(request.scope)
    has_code = bool(code_of(connection)) and not problem
    drawn = page(
        request, "login.html", status, has_code=has_code, problem=problem, next=_next(connection)
    )
    drawn.headers.update(headers or {})
    return drawn


def _next(connection: Connection) -> str:
    """Return the page to show after the login; never one of another site."""
    wanted = parse_qs(connection.query).get("next", ["/"])[0]
    return wanted if OWN_PATH.fullmatch(wanted) else "/"


def routes(access: Token, authenticator: Callable[[], Authenticator | None]) -> Router:
    """Return the routes of these pages; the authenticator is asked for once there is a request."""
    return Router(
        "/",
        route_handlers=[ask, log_in, log_out],
        dependencies={
            "access": Provide(lambda: access, sync_to_thread=False),
            "authenticator": Provide(authenticator, sync_to_thread=False),
        },
        include_in_schema=False,
    )
