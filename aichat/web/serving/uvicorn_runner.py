"""How ``litestar run`` serves aichat: one line with the address, one line when it cannot.

Litestar calls ``uvicorn.run`` in this process, or ``python -m uvicorn`` in another one for
``--reload`` and ``--wc``, and has no option for the settings below; so they are given to uvicorn
here, both ways.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from litestar import Litestar
from litestar.plugins import CLIPlugin

from aichat.core import AichatError
from aichat.web.access import binding
from aichat.web.access.commands import browsable, login_line
from aichat.web.access.keyring import Keyring

from . import shutdown as stopping
from .cannot_start import stop
from .logs import redact_logs

NEEDS_HTTPS = (
    "Browsers on other machines can log in, and use the microphone, over https only: put a TLS "
    "proxy before it, or start it with --ssl-certfile and --ssl-keyfile."
)
SETTINGS: dict[str, Any] = {
    "http": "aichat.web.serving.http_timeouts:HttpTimeoutProtocol",
    "ws_per_message_deflate": False,  # speech hardly shrinks, and it costs three times the CPU
    "ws_max_size": 1 << 20,  # our own limit is smaller, and answers with a readable error
    "timeout_graceful_shutdown": 1,
    "proxy_headers": False,  # [web] trusted_proxies decides instead
    "log_level": "warning",
}


class AichatServer(CLIPlugin):
    """Makes ``litestar run`` serve aichat with its own settings."""

    def on_cli_init(self, cli: click.Group) -> None:
        """Add nothing: the commands are registered by the entry point."""

    @contextmanager
    def server_lifespan(self, app: Litestar) -> Iterator[None]:
        """Replace ``uvicorn.run`` by our server."""
        import uvicorn

        from .environment import require_env  # read when litestar looked for its commands

        require_env()
        if app.state.failure:
            raise stop(str(app.state.failure))
        _prepare(app, click.get_current_context().params)
        for key, value in SETTINGS.items():
            os.environ.setdefault(f"UVICORN_{key.upper()}", str(value))
        os.environ["UVICORN_PROXY_HEADERS"] = "False"  # it would trust any local peer
        run = uvicorn.run
        uvicorn.run = lambda **options: serve(app, options)
        try:
            yield
        finally:
            uvicorn.run = run


def _prepare(app: Litestar, options: dict[str, Any]) -> None:
    """Stop a start that would serve others without a login; print the login for workers."""
    host = options["host"]
    is_local = app.state.authenticator.knows_only_local
    if is_local and (why := binding.refusal(host, options["fd"], options["uds"])):
        raise stop(why)
    if options["reload"] or options["wc"] > 1:  # then the server is another process
        scheme = "https" if options["ssl_certfile"] else "http"
        _say_login(app, f"{scheme}://{browsable(host)}:{options['port']}")


def _say_address(app: Litestar, config: Any, sockets: list[socket.socket] | None) -> None:
    address = _address(config, sockets[0]) if sockets else ""  # a file is no address
    if address:
        click.echo(f"aichat is at {address}")
    _say_login(app, address)
    is_plain = not config.is_ssl and binding.refusal(config.host, config.fd, config.uds)
    if app.state.keyring and is_plain:
        click.echo(NEEDS_HTTPS)


def _say_login(app: Litestar, address: str) -> None:
    if not app.state.keyring:
        return
    try:
        with Keyring(app.state.keyring.path) as keyring:
            click.echo(login_line(keyring, address))
    except AichatError as error:
        raise stop(str(error)) from error


def serve(app: Litestar, options: dict[str, Any]) -> None:
    """Serve until stopped. Raises SystemExit, after one message, when the start fails."""
    import uvicorn

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for is_news in (lambda _: app.state.failure is None, stopping.is_news):
        logging.getLogger("uvicorn.error").addFilter(is_news)
    patience = {"timeout_graceful_shutdown": stopping.GRACE_SECONDS}
    config = uvicorn.Config(**{**options, **SETTINGS, **patience})
    redact_logs()  # uvicorn has its own handlers now
    sockets = None if config.fd is not None or config.uds else [_bound(config.host, config.port)]

    class Server(uvicorn.Server):
        loop: asyncio.AbstractEventLoop | None = None
        exit_code = 0
        signals = 0

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            self.loop = asyncio.get_running_loop()
            await super().startup(sockets)
            if self.started:
                _say_address(app, config, sockets)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await stopping.begin(app.state)
            await super().shutdown(sockets)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.signals += 1
            if self.signals == 2:
                return  # it is ending already, and what was heard is being stored
            self.exit_code = 0 if sig == signal.SIGINT else 128 + sig
            super().handle_exit(sig, frame)
            if self.loop and (hurry := app.state.get("hurry")):
                self.loop.call_soon_threadsafe(hurry.set)  # ends the wait for the start

    server = Server(config)
    app.state.when_kept = lambda: stopping.end_soon(server.exit_code)
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        return
    except SystemExit:
        if app.state.failure is None:
            raise
    if app.state.failure:
        raise stop(str(app.state.failure))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise stop(
            f"{host}:{port} cannot be used: {error.strerror}.\n"
            "  Hint: stop what uses it, or choose another with `litestar run --port N`, PORT=N, "
            "or [web] port in plugins.toml."
        ) from error
    return listener


def _address(config: Any, listener: socket.socket) -> str:
    scheme = "https" if config.is_ssl else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{browsable(host)}:{port}"
