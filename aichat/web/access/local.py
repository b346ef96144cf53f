"""``access = "local"``: only browsers and programs on this machine.

There is no login, so any sign of another machine behind the connection refuses it: a proxy or
tunnel on this machine would otherwise let in the whole world, for it connects from here. A proxy
that hides itself perfectly looks like a browser: use ``token`` behind any proxy.
"""

from __future__ import annotations

from collections.abc import Iterable

from aichat.core import Actor, Connection, Denied, hookimpl

from .keyring import OWNER
from .loopback import LOOPBACK, host_name, is_loopback

HINT = (
    "Open http://localhost on the machine that runs it, or let people log in: "
    'access = "token" under [web] in plugins.toml.'
)
FORWARDED = frozenset(
    (
        "cdn-loop", "cf-connecting-ip", "client-ip", "fastly-client-ip", "fly-client-ip",
        "forwarded", "forwarded-for", "true-client-ip", "via", "x-client-ip",
        "x-cluster-client-ip", "x-envoy-external-address", "x-forwarded", "x-host",
        "x-original-forwarded-for", "x-original-host", "x-originating-ip", "x-proxyuser-ip",
        "x-real-ip", "x-remote-addr", "x-remote-ip",
    )
)  # fmt: skip
"""Headers that proxies, tunnels and load balancers add, beside x-forwarded-*."""


class Local:
    """Lets in the owner, from this machine. *origins* are other allowed origins of pages."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origins)

    @hookimpl(trylast=True)
    def authenticate(self, connection: Connection) -> Actor:
        """Return the owner. Raises Denied."""
        if why := self._refusal(connection):
            raise Denied(why, HINT)
        return Actor(OWNER)

    async def learn(self, connection: Connection) -> bool:
        """Return False: there is no slow check."""
        return False

    def is_proven(self, connection: Connection) -> bool:
        """Return False: there are no secrets."""
        return False

    def _refusal(self, connection: Connection) -> str | None:
        if not is_loopback(connection.client):
            return "This aichat serves only the machine it runs on."
        if host_name(connection.headers.get("host", "")) not in LOOPBACK:
            return "This aichat answers only to the host name localhost."
        if header := next(filter(_is_from_proxy, connection.headers), None):
            return f"This aichat takes no forwarded requests, and this one has the header {header}."
        origin = connection.headers.get("origin", "null")
        if origin == "null" or origin in self._origins or _is_ours(origin):
            return None
        return "This aichat serves only pages of the machine it runs on."


def _is_from_proxy(header: str) -> bool:
    return header in FORWARDED or header.startswith("x-forwarded-")


def _is_ours(origin: str) -> bool:
    return host_name(origin.partition("://")[2]) in LOOPBACK
