"""Recognises addresses and names of this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names by which a browser on this machine calls this machine."""


def host_name(host: str) -> str:
    """Take the port off a Host header; case means nothing in a name."""
    host = host.lower()
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


def port_of(host: str) -> str:
    """Return the port in a Host header, or ""."""
    return host[len(host_name(host)) + 1 :]


@lru_cache(maxsize=4_096)
def is_loopback(address: str | None) -> bool:
    """Return whether an IP address is a loopback address."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
