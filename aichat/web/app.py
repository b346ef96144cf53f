"""The Litestar application. Making it never raises: mistakes are reported when it starts."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from attrs import define
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp, ControllerRouterHandler
from pluggy import PluginManager

from aichat.core import AichatError, Config, load_plugins, parts_from_config, read_config
from aichat.core.registry.mistakes import Mistakes
from aichat.toolkit.packages import require_installed

from . import api, pages, paths
from .access import commands, login
from .access.authentication import Authenticator
from .access.guard import Guard
from .access.local import Local
from .access.proxies import Proxies
from .access.token import Token
from .api import openapi
from .application_state import dependencies
from .html import static_files
from .html.templates import environment, template_config
from .lifespan import lifespan
from .pages import media
from .realtime import chat_socket, echo_socket, status_socket
from .services import metrics
from .serving import error_responses, health
from .serving.startup_state import Lifecycle
from .serving.uvicorn_runner import AichatServer

OWN_ROUTES = (
    chat_socket.chat,
    status_socket.watch,
    echo_socket.echo,
    health.health,
    health.ready,
    metrics.metrics,
    static_files.bundled,
)
"""The handlers that belong to no router."""


@define
class Setup:
    """plugins.toml and the plug-ins, or why they cannot be used."""

    config: Config
    manager: PluginManager | None
    error: AichatError | None = None


def read_setup() -> Setup:
    """Read plugins.toml and load the plug-ins; an error is returned in the setup, not raised."""
    path = paths.plugins_toml()
    config = Config(path, {})
    try:
        require_installed()
        mistakes = Mistakes(path)
        config = read_config(path, os.environ, paths.shipped(), mistakes)
        manager = load_plugins(config.disable, mistakes=mistakes)
        with mistakes.noted():
            parts_from_config(config, manager)  # once more at the start, when they are begun
        mistakes.check()
        return Setup(config, manager)
    except AichatError as error:
        return Setup(config, None, error)


class Application(Litestar):
    """Litestar behind guard and authenticator, which see every request, with a route or without."""

    door: ASGIApp | None = None
    lifecycle: Lifecycle

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request through proxies, guard and authenticator."""
        if self.door is None or scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self.door(scope, receive, send)


def create_app(setup: Setup | None = None) -> Application:
    """Make the application from plugins.toml."""
    ready = setup or read_setup()
    web, manager = ready.config.web, ready.manager
    keyring = commands.keyring() if web.access == "token" else None
    templates = environment(manager.hook.template_folder() if manager else [])
    templates.globals["has_login"] = bool(keyring)
    life = Lifecycle(ready.config, manager, templates, keyring, ready.error)
    access = Token(keyring) if keyring else Local(web.allowed_origins)
    origins = list(web.allowed_origins)
    app = Application(
        _routes(life, access),
        lifespan=[partial(lifespan, life)],
        dependencies=dependencies(life.running),
        exception_handlers=error_responses.HANDLERS,
        cors_config=CORSConfig(allow_origins=origins) if origins else None,
        openapi_config=openapi.config(),
        template_config=template_config(templates),
        plugins=[AichatServer(life)],
    )
    app.lifecycle = life
    serve: ASGIApp = partial(Litestar.__call__, app)
    if manager:
        serve = life.authenticator = Authenticator(serve, manager, access, web)
    guard = Guard(serve, web.allowed_hosts, web.allowed_origins)
    app.door = Proxies(guard, web.trusted_proxies)
    return app


def _routes(life: Lifecycle, access: Token | Local) -> list[ControllerRouterHandler]:
    """Return all routes; those of the login, if there is one, and of plug-ins come last."""
    with_components = life.config.web.components_page
    own = [api.routes(), pages.routes(with_components=with_components), media.routes()]
    logins = [login.routes(access, lambda: life.authenticator)] if isinstance(access, Token) else []
    offered = life.manager.hook.web_routes() if life.manager else []
    return [*OWN_ROUTES, *own, *logins, *(route for routes in offered for route in routes)]
