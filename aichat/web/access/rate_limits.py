"""Limits for one client: token buckets, and a count of open sockets.

A client is the address of the peer, or the one that a trusted proxy reports
(``access/proxies.py``). Behind any other proxy all clients count as one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import ceil

import anyio
from attrs import define, field

from aichat.core import AichatError
from aichat.toolkit.bounded_dict import BoundedDict

TABLE = 10_000
"""Most clients that are remembered; then the least recently active is forgotten."""


class TooMany(AichatError):
    """A client exceeds a limit. It may try again after *wait* seconds."""

    code = "too_many"
    retryable = True

    def __init__(self, problem: str, hint: str, wait: float) -> None:
        super().__init__(problem, hint)
        self.wait = ceil(wait)


class TooManySockets(TooMany):
    """A client has opened as many sockets as it may."""

    code = "too_many_sockets"
    retryable = False


@lru_cache(maxsize=4_096)
def client_of(address: str | None) -> str:
    """Return the client behind an address: all addresses of an IPv6 /64 are one client."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unix"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip.packed, 64), strict=False))
    return str(ip)


@define
class Bucket:
    """A token bucket: holds up to *size* tokens, and gains *rate* per second."""

    rate: float
    size: float
    now: Callable[[], float]
    level: float = field(init=False)
    at: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.level, self.at = self.size, self.now()

    def take(self, amount: float = 1.0) -> float:
        """Take *amount* and return 0, or take nothing and return the seconds until it can."""
        now = self.now()
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < amount:
            return (amount - self.level) / self.rate
        self.level -= amount
        return 0.0

    def give_back(self, amount: float = 1.0) -> None:
        """Undo a :meth:`take`."""
        self.level = min(self.size, self.level + amount)


@define
class Buckets:
    """A bucket for each client."""

    rate: float
    size: float
    now: Callable[[], float] = anyio.current_time
    table: BoundedDict[str, Bucket] = field(factory=lambda: BoundedDict(TABLE))

    def __getitem__(self, client: str) -> Bucket:
        if client not in self.table:
            self.table[client] = Bucket(self.rate, self.size, self.now)
        return self.table.use(client)


@define
class Sockets:
    """Counts the open sockets of each client, *most* at once."""

    most: int
    open: Counter[str] = field(factory=Counter)

    def enter(self, client: str) -> None:
        """Count one more. Raises :class:`TooManySockets`."""
        if self.open[client] >= self.most:
            raise TooManySockets(
                f"{self.most} connections are open from your address.",
                "Close another page of aichat, then reload this one.",
                wait=30,
            )
        self.open[client] += 1

    def leave(self, client: str) -> None:
        """Count one less."""
        self.open[client] -= 1
        self.open += Counter()  # drops clients without any
