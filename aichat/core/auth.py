"""Who asks, and who that is: what the hook ``authenticate`` is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import Factory, field, frozen
from attrs.validators import and_, instance_of, min_len


@frozen
class Actor:
    """Somebody who may use aichat; routes find it as ``request.user``. The name is not empty."""

    name: str = field(validator=and_(instance_of(str), min_len(1)))


@frozen(eq=False)
class Connection:
    """One HTTP request, or the handshake of one WebSocket.

    *client* is the address at the other end of the line; None where there is none, as on a Unix
    socket. What a header claims of it counts only where a trusted proxy has written it. The names
    of *headers* are in lower case; the values of one that came several times are joined with commas
    (cookies: with semicolons).
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
        """The cookies by name."""
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs}
