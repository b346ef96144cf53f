"""The cookie of a browser that has logged in.

Over https it is ``__Host-aichat``: Secure, for this host only, for all paths; no other site, and no
page of a neighbouring host or of plain http, can plant one (ASVS 3.3.1).

Plain http gets a cookie on the browser's own machine only, where nobody listens in. There it is
called ``aichat-PORT`` and is not Secure: Chromium takes ``__Host-`` cookies from http://localhost,
but Safari does not; and the servers on all ports of a machine share its cookies, so that two of
ours would log each other out.
"""

from __future__ import annotations

from aichat.core import Connection

from .keyring import SESSION_SECONDS
from .loopback import LOOPBACK, host_name, port_of

SECURE = "__Host-aichat"


def session_of(connection: Connection) -> str | None:
    """Return the secret in a browser's cookie."""
    cookies = connection.cookies
    plain = _plain(connection)
    return cookies.get(SECURE) or (cookies.get(plain) if plain else None)


def cookie_for(connection: Connection) -> str | None:
    """Choose the name of the cookie; None where a browser could not keep one safely.

    Behind a TLS proxy the scheme is http, so the browser's Origin header counts as well.
    """
    origin = connection.headers.get("origin", "")
    if origin.startswith("https://") or connection.scheme in ("https", "wss"):
        return SECURE
    return _plain(connection)


def _plain(connection: Connection) -> str | None:
    host = connection.headers.get("host", "")
    return f"aichat-{port_of(host) or 80}" if host_name(host) in LOOPBACK else None


def set_cookie(name: str, secret: str, seconds: int = SESSION_SECONDS) -> str:
    """Return the Set-Cookie header; *seconds* 0 removes the cookie."""
    secure = "; Secure" if name == SECURE else ""
    return f"{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
