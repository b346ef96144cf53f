"""Connections and actors: what the hook ``authenticate`` takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import Factory, field, frozen
from attrs.validators import and_, instance_of, min_len


@frozen
class Actor:
    """An authenticated user; routes find it as ``request.user``. The name is not empty."""

    name: str = field(validator=and_(instance_of(str), min_len(1)))


@frozen(eq=False)
class Connection:
    """One HTTP request, or the handshake of one WebSocket.

    *client* is the peer's address; None where there is none, as on a Unix socket. A forwarding
    header changes it only if a trusted proxy has written that header. The names of *headers* are in
    lower case; the values of a repeated header are joined with commas (cookies: with semicolons).
    """

    kind: Literal["http", "websocket"]
    path: str
    client: str | None
    headers: Mapping[str, str] = field(default=Factory(dict), repr=False)
    method: str = "GET"
    query: str = field(default="", repr=False)
    scheme: str = "http"

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies, by name."""
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs}
