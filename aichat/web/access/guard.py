"""One ASGI guard for HTTP and WebSocket: allowed hosts and origins, and security headers.

* Host allow-list, against DNS rebinding.
* Cross-origin requests that could change something are refused by ``Sec-Fetch-Site``, or by
  ``Origin`` where a browser does not send that (as Go's CrossOriginProtection does). No form
  needs a token for it.
* A strict Content-Security-Policy: no inline script or style, nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send, WebSocketScope

from .loopback import LOOPBACK, host_name
from .refusals import reason, refuse_http

SAFE = ("GET", "HEAD", "OPTIONS")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # "no-referrer" would make Origin null in our own forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
)


class Guard:
    """Refuses foreign hosts and origins with 403, and adds the security headers."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset((*LOOPBACK, *hosts))
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {key.lower() for key, _ in message["headers"]}
                added = [pair for pair in HEADERS if pair[0] not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        if why := self.refusal(scope, safe=scope["method"] in SAFE):
            await refuse_http(scope, secured, 403, why)
        elif not _is_address(scope["path"]):
            await refuse_http(scope, secured, 404, "There is nothing at this address.")
        else:
            await self.app(scope, receive, secured)

    async def _websocket(self, scope: WebSocketScope, receive: Receive, send: Send) -> None:
        if why := self.refusal(scope, safe=False):
            await receive()  # closing before the accept answers the handshake with 403
            await send({"type": "websocket.close", "code": 1008, "reason": reason(why)})
        else:
            await self.app(scope, receive, send)

    def refusal(self, scope: HTTPScope | WebSocketScope, *, safe: bool) -> str | None:
        """Return why a request is refused, or None to let it in."""
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get(b"host", "")
        if host_name(host) not in self.hosts:
            return (
                f"The host {host!r} is not allowed here. "
                "Add it to allowed_hosts under [web] in plugins.toml."
            )
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if safe or origin in self.origins:
            return None
        if scope["type"] == ScopeType.HTTP and site is not None:
            return None if site in ("same-origin", "none") else f"A {site} request is refused."
        if origin is None:  # no browser, so no cookies or addresses of the user's to misuse
            return None
        if origin.partition("://")[2].lower() == host.lower():
            return None
        return (
            f"Pages from {origin} may not connect. "
            "Add that origin to allowed_origins under [web] in plugins.toml."
        )


def _is_address(path: str) -> bool:
    """Return whether file systems and databases, which see parts of the path, can take it."""
    raw = path.encode(errors="replace")
    is_short = len(raw) <= 1_024 and all(len(part) <= 255 for part in raw.split(b"/"))
    return is_short and b"\0" not in raw
