"""How ``litestar run`` serves aichat: one line with the address, one line when it cannot.

Litestar calls ``uvicorn.run`` in this process, or ``python -m uvicorn`` in another one for
``--reload`` and ``--wc``, and has no option for the settings below; so they are given to uvicorn
here, both ways.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from litestar import Litestar
from litestar.plugins import CLIPlugin

from aichat.web.access import binding
from aichat.web.access.commands import browsable

from . import shutdown
from .cannot_start import stop
from .log_filters import redact_logs
from .startup_state import Lifecycle

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

    def __init__(self, life: Lifecycle) -> None:
        self.life = life

    def on_cli_init(self, cli: click.Group) -> None:
        """Add nothing: the commands are registered by the entry point."""

    @contextmanager
    def server_lifespan(self, app: Litestar) -> Iterator[None]:
        """Replace ``uvicorn.run`` by our server."""
        import uvicorn

        from .litestar_environment import require_env  # read when litestar looked for its commands

        require_env()
        if self.life.failure:
            raise stop(str(self.life.failure))
        _prepare(self.life, click.get_current_context().params)
        for key, value in SETTINGS.items():
            os.environ.setdefault(f"UVICORN_{key.upper()}", str(value))
        os.environ["UVICORN_PROXY_HEADERS"] = "False"  # it would trust any local peer
        run = uvicorn.run
        uvicorn.run = lambda **options: serve(self.life, options)
        try:
            yield
        finally:
            uvicorn.run = run


def _prepare(life: Lifecycle, options: dict[str, Any]) -> None:
    """Stop a start that would serve others without a login; print the login for workers."""
    from .start_message import say_login  # imports uvicorn

    host = options["host"]
    is_local = life.authenticator and life.authenticator.knows_only_local
    if is_local and (why := binding.refusal(host, options["fd"], options["uds"])):
        raise stop(why)
    if options["reload"] or options["wc"] > 1:  # then the server is another process
        scheme = "https" if options["ssl_certfile"] else "http"
        say_login(life.keyring, f"{scheme}://{browsable(host)}:{options['port']}")


def serve(life: Lifecycle, options: dict[str, Any]) -> None:
    """Serve until stopped. Raises SystemExit, after one message, when the start fails."""
    import uvicorn

    from .uvicorn_server import Server

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for is_news in (lambda _: life.failure is None, shutdown.is_news):
        logging.getLogger("uvicorn.error").addFilter(is_news)
    patience = {"timeout_graceful_shutdown": shutdown.GRACE_SECONDS}
    config = uvicorn.Config(**{**options, **SETTINGS, **patience})
    redact_logs()  # uvicorn has its own handlers now
    sockets = None if config.fd is not None or config.uds else [_bound(config.host, config.port)]
    try:
        Server(config, life).run(sockets)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it would kill Python while that ends
        return
    except SystemExit:
        if life.failure is None:
            raise
    if life.failure:
        raise stop(str(life.failure))


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
            "  Hint: Stop what uses it, or choose another with `litestar run --port N`, PORT=N, "
            "or [web] port in plugins.toml."
        ) from error
    return listener
