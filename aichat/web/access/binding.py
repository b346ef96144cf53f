"""Where a server may listen: other machines may reach it only if a login is needed."""

from __future__ import annotations

import os
import socket

from .loopback import is_loopback

HINT = (
    '  Hint: let people log in, with access = "token" under [web] in plugins.toml; or serve it on '
    "127.0.0.1 (--host, LITESTAR_HOST, HOST, or [web] host)."
)


def refusal(host: str | None, fd: int | None, uds: str | None) -> str | None:
    """Return why a server without logins may not listen there, or None if it may."""
    if uds:
        return f"{uds} would serve anyone who can open it, without a login.\n{HINT}"
    if fd is not None:
        return None if _is_ours(fd) else f"File {fd} would serve others, without a login.\n{HINT}"
    if host and all(map(is_loopback, _addresses(host))):
        return None
    return f"{host or 'Every address'} would serve other machines, without a login.\n{HINT}"


def _is_ours(fd: int) -> bool:
    """Return whether an open socket listens to this machine only."""
    try:
        with socket.socket(fileno=os.dup(fd)) as listener:
            address = listener.getsockname()
    except OSError:
        return False  # no socket: uvicorn reports it
    return isinstance(address, tuple) and is_loopback(address[0])


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []  # unknown: binding to it will report that
    return [str(address[0]) for *_, address in found]
