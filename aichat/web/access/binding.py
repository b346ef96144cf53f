"""Where a server may listen: where others can reach it, only if they have to log in."""

from __future__ import annotations

import os
import socket

from .loopback import is_loopback

MEND = (
    '  Hint: let people log in, with access = "token" under [web] in plugins.toml; or serve it on '
    "127.0.0.1 (--host, LITESTAR_HOST, HOST, or [web] host)."
)


def refusal(host: str | None, fd: int | None, uds: str | None) -> str | None:
    """Say why a server without logins may not listen there; None: others cannot reach it."""
    if uds:
        return f"{uds} would serve whoever may open it, without a login.\n{MEND}"
    if fd is not None:
        return None if _is_ours(fd) else f"File {fd} would serve others, without a login.\n{MEND}"
    if host and all(map(is_loopback, _addresses(host))):
        return None
    return f"{host or 'Every address'} would serve other machines, without a login.\n{MEND}"


def _is_ours(fd: int) -> bool:
    """Tell whether an open socket listens to this machine only."""
    try:
        with socket.socket(fileno=os.dup(fd)) as listener:
            address = listener.getsockname()
    except OSError:
        return False  # no socket: uvicorn says so
    return isinstance(address, tuple) and is_loopback(address[0])


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []  # nobody's: whoever binds to it says so
    return [str(address[0]) for *_, address in found]
