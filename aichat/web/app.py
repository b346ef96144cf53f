"""The Litestar application. Making it never raises: what is wrong is told when it starts."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from attrs import define
from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException
from litestar.static_files import create_static_files_router
from pluggy import PluginManager

from aichat.core import (
    AichatError,
    BadValue,
    Config,
    Conflict,
    NotFound,
    Unreachable,
    load_plugins,
    open_chat,
    read_config,
)

from . import health, pages, paths, prompts, socket
from .guard import Guard
from .rooms import Rooms
from .server import AichatServer
from .templating import environment
from .views import Painter
from .wire import BadFrame

log = logging.getLogger(__name__)

STATUS = {NotFound: 404, Conflict: 409, BadValue: 400, BadFrame: 400, Unreachable: 503}


@define
class Setup:
    """plugins.toml and the plug-ins, or why they cannot be used."""

    config: Config
    manager: PluginManager | None
    error: AichatError | None = None


def read_setup() -> Setup:
    """Read plugins.toml and load the plug-ins; keeps what is wrong instead of raising it."""
    path = paths.plugins_toml()
    config = Config(path, {})
    try:
        config = read_config(path)
        return Setup(config, load_plugins(config.disable))
    except AichatError as error:
        return Setup(config, None, error)


class Application(Litestar):
    """Litestar behind the guard, which so sees every request, those without a route included."""

    guard: Guard | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request that the guard lets in."""
        if self.guard is None or scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self.guard(scope, receive, send)


def create_app(setup: Setup | None = None) -> Litestar:
    """Make the application from plugins.toml."""
    ready = setup or read_setup()
    routes: list[Any] = []
    folders = []
    if ready.manager:
        routes = [route for offered in ready.manager.hook.web_routes() for route in offered]
        folders = ready.manager.hook.template_folder()

    @asynccontextmanager
    async def chat(app: Litestar) -> AsyncIterator[None]:
        if ready.error or ready.manager is None:
            raise app.state.failure
        try:
            async with _opened(app, ready.config, ready.manager):
                yield
        except* AichatError as group:
            app.state.failure = _first(group)
            raise app.state.failure from group

    web = ready.config.web
    app = Application(
        [
            socket.talk,
            health.health,
            health.ready,
            pages.start,
            pages.conversation,
            pages.begin,
            pages.say,
            prompts.prompt_of,
            create_static_files_router(
                "/static",
                [paths.static()],
                name="static",
                cache_control=None,
                include_in_schema=False,
            ),
            *routes,
        ],
        lifespan=[chat],
        exception_handlers={AichatError: explain, HTTPException: refuse},
        cors_config=CORSConfig(allow_origins=list(web.allowed_origins))
        if web.allowed_origins
        else None,
        openapi_config=None,
        plugins=[AichatServer()],
    )
    app.guard = Guard(partial(Litestar.__call__, app), web.allowed_hosts, web.allowed_origins)
    app.state.failure = ready.error
    app.state.config = ready.config
    app.state.jinja = environment(folders)
    return app


@asynccontextmanager
async def _opened(app: Litestar, config: Config, manager: PluginManager) -> AsyncIterator[None]:
    painter = Painter(app.state.jinja)
    async with open_chat(config, manager) as (bus, parts), anyio.create_task_group() as tasks:
        app.state.bus, app.state.parts = bus, parts
        app.state.prompts = prompts.Prompts()
        app.state.prompts.listen(bus)
        app.state.rooms = Rooms(bus, parts, painter, tasks)
        gc.collect()
        gc.freeze()  # what is here now stays: full collections, which stop the sound, get short
        yield
        tasks.cancel_scope.cancel()


def _first(group: BaseExceptionGroup[AichatError]) -> AichatError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AichatError)  # noqa: S101  (except* has chosen it)
    return error


def explain(request: Request[Any, Any, Any], error: AichatError) -> Response[Any]:
    """Answer with one of our errors."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    headers = {"Retry-After": "5"} if status == 503 else {}
    return _answer(request, status, error.line, headers)


def refuse(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer with an HTTP error."""
    return _answer(request, error.status_code, error.detail, dict(error.headers or {}))


def _answer(
    request: Request[Any, Any, Any], status: int, detail: str, headers: dict[str, str]
) -> Response[Any]:
    if pages.wants_page(request):
        jinja = request.app.state.jinja
        html = jinja.get_template("error.html").render(status=status, detail=detail)
        return Response(html, status_code=status, media_type="text/html", headers=headers)
    body = {"status_code": status, "detail": detail}
    return Response(body, status_code=status, headers=headers)
