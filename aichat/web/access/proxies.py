"""Headers of trusted proxies: a request's client address, host and scheme.

Anybody can write ``X-Forwarded-For: 127.0.0.1``. So the headers count only when the peer
is one of ``[web] trusted_proxies``, and are read from the right: each proxy appends the address of
its own peer, so the first entry that is no trusted proxy is the client. Entries to the left of it
may have been written by the client itself.

``X-Forwarded-Proto`` and ``X-Forwarded-Host`` count on the same terms: they decide whether a
login's cookie is Secure, and which Origin is our own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
UNIX = "unix"
"""Stands for a peer on a Unix socket."""
MOST_HOPS = 20
"""Most entries that are read; real chains of proxies are shorter."""


class Proxies:
    """Passes requests to *app* with the client, scheme and host that trusted proxies report."""

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        names = tuple(trusted)
        self.app = app
        self._trusts_unix = UNIX in names
        self._networks = tuple(ipaddress.ip_network(one) for one in names if one != UNIX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self.app(self._seen(scope), receive, send)

    def _seen(self, scope: HTTPScope | WebSocketScope) -> Scope:
        peer = scope["client"][0] if scope["client"] else None
        if not (self._networks or self._trusts_unix) or not self._is_trusted(peer):
            return scope
        client, hops = self._client(peer, _listed(scope, b"x-forwarded-for"))
        seen: dict[str, Any] = {**scope}
        if client != peer:
            seen["client"] = (client, 0)
        if scheme := _scheme(scope, _at(_listed(scope, b"x-forwarded-proto"), hops)):
            seen["scheme"] = scheme
        if host := _at(_listed(scope, b"x-forwarded-host"), hops):
            others = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
            seen["headers"] = [*others, (b"host", host.encode("latin-1"))]
        return seen  # type: ignore[return-value]

    def _client(self, peer: str | None, hops: Sequence[str]) -> tuple[str | None, int]:
        """Return the first address from the right that is no trusted proxy, and its place.

        An entry that is no address (``unknown``, a name) hides the client: then the proxy that
        wrote it counts as the client.
        """
        client = peer
        for place, hop in enumerate(hops[: -MOST_HOPS - 1 : -1], 1):
            address = address_of(hop)
            if address is None:
                return client, place
            client = str(address)
            if not self._is_trusted(client):
                return client, place
        return client, max(1, len(hops))

    def _is_trusted(self, client: str | None) -> bool:
        address = address_of(client or "")
        if address is None:
            return self._trusts_unix
        return any(address in network for network in self._networks)


def address_of(text: str) -> Address | None:
    """Parse an IP address with or without a port: ``192.0.2.7:80``, ``[2001:db8::1]:80``."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _listed(scope: HTTPScope | WebSocketScope, name: bytes) -> list[str]:
    """Return the entries of a header, in order; it may come several times."""
    values = (value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)
    return [entry.strip() for entry in ",".join(values).split(",") if entry.strip()]


def _at(entries: Sequence[str], hops: int) -> str | None:
    """Return what the outermost trusted proxy wrote: *hops* from the right, if all add theirs."""
    return entries[-min(hops, len(entries))] if entries else None


def _scheme(scope: HTTPScope | WebSocketScope, forwarded: str | None) -> str | None:
    """Return the ASGI scheme for a forwarded one; None where it is unknown."""
    secure = {"https": True, "wss": True, "http": False, "ws": False}.get((forwarded or "").lower())
    if secure is None:
        return None
    plain = "ws" if scope["type"] == ScopeType.WEBSOCKET else "http"
    return f"{plain}s" if secure else plain
