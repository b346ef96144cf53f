"""What ``litestar run`` prints once the server listens: its address, and how to log in."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import click
import uvicorn

from aichat.core import AichatError
from aichat.web.access import binding
from aichat.web.access.commands import browsable, login_line
from aichat.web.access.keyring import Keyring

from .cannot_start import stop

NEEDS_HTTPS = (
    "Browsers on other machines can log in, and use the microphone, over https only: put a TLS "
    "proxy before it, or start it with --ssl-certfile and --ssl-keyfile."
)


def say_address(
    config: uvicorn.Config, sockets: Sequence[socket.socket] | None, keyring: Keyring | None
) -> None:
    """Print the address, and a login if one is needed."""
    address = _address(config, sockets[0]) if sockets else ""  # a file is no address
    if address:
        click.echo(f"aichat is at {address}")
    say_login(keyring, address)
    is_plain = not config.is_ssl and binding.refusal(config.host, config.fd, config.uds)
    if keyring and is_plain:
        click.echo(NEEDS_HTTPS)


def say_login(keyring: Keyring | None, address: str) -> None:
    """Print a new login address, if access needs one."""
    if not keyring:
        return
    try:
        with Keyring(keyring.path) as opened:
            click.echo(login_line(opened, address))
    except AichatError as error:
        raise stop(str(error)) from error


def _address(config: uvicorn.Config, listener: socket.socket) -> str:
    scheme = "https" if config.is_ssl else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{browsable(host)}:{port}"
