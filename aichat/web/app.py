"""The Litestar application. Making it never raises: mistakes are reported when it starts."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from attrs import define
from litestar import Litestar, Request, Response, Router
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp
from pluggy import PluginManager

from aichat.core import (
    AichatError,
    BadValue,
    Config,
    Conflict,
    Denied,
    NotFound,
    Parts,
    Unreachable,
    cast_parts,
    load_plugins,
    open_chat,
    read_config,
)
from aichat.core.errors import BackendError
from aichat.core.registry.mistakes import Mistakes
from aichat.toolkit.packages import require_installed
from aichat.toolkit.temporary_files import sweep_temporary

from . import api, pages, paths
from .access import commands, login
from .access.authentication import Authenticator
from .access.guard import Guard
from .access.local import Local
from .access.proxies import Proxies
from .access.rate_limits import TooMany
from .access.token import Token
from .access.work_limits import Paces
from .api import openapi
from .html import static_files
from .html.fragments import Painter
from .html.page import is_fragment, page, toast_only, wants_page
from .html.templates import environment
from .pages import media
from .realtime import chat_socket, echo_socket, status_socket
from .realtime.idle_timeout import IdleTimeout
from .realtime.rooms import Rooms
from .schemas.client_frames import BadFrame
from .schemas.decoding import BadBody
from .schemas.parameters import wrong_parameters
from .services import archive, metrics, prompt_log
from .services.character_tryout import Tryouts
from .services.conversation_list import Listing
from .services.import_jobs import Imports
from .services.pending_deletions import PendingDeletions
from .services.undo.characters import DeletedCharacters
from .services.undo.messages import DeletedMessages
from .services.uploads import Pictures, TooLarge, Uploads
from .services.voice_previews import Previews
from .serving import health
from .serving.download_log import DownloadLog, until_answerable
from .serving.logs import redact_logs
from .serving.switch_interval import quick_switches
from .serving.uvicorn_runner import AichatServer
from .settings.live_settings import LiveSettings

log = logging.getLogger(__name__)

KEEP_SECONDS = 5.0
"""How long a store gets to finish its writes when the server stops."""

STATUS = {
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    BadValue: 400,
    BadFrame: 400,
    Denied: 403,
    Unreachable: 503,
    BackendError: 503,
    TooMany: 429,
}


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
            cast_parts(config, manager)  # once more at the start, when they are begun
        mistakes.check()
        return Setup(config, manager)
    except AichatError as error:
        return Setup(config, None, error)


class Application(Litestar):
    """Litestar behind guard and authenticator, which see every request, with a route or without."""

    door: ASGIApp | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request through proxies, guard and authenticator."""
        if self.door is None or scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self.door(scope, receive, send)


def create_app(setup: Setup | None = None) -> Litestar:
    """Make the application from plugins.toml."""
    ready = setup or read_setup()
    routes: list[Any] = []
    folders = []
    if ready.manager:
        routes = [route for offered in ready.manager.hook.web_routes() for route in offered]
        folders = ready.manager.hook.template_folder()
    web = ready.config.web
    keyring = commands.keyring() if web.access == "token" else None
    if keyring:
        pages_of_login = [login.ask, login.log_in, login.log_out]
        routes = [Router("/", route_handlers=pages_of_login, include_in_schema=False), *routes]

    @asynccontextmanager
    async def chat(app: Litestar) -> AsyncIterator[None]:
        redact_logs()
        if ready.error or ready.manager is None:
            raise app.state.failure
        try:
            with quick_switches(), keyring or nullcontext():
                async with _opened(app, ready.config, ready.manager):
                    yield
        except* AichatError as group:
            app.state.failure = _first(group)
            raise app.state.failure from group

    app = Application(
        [
            chat_socket.chat,
            status_socket.watch,
            echo_socket.echo,
            health.health,
            health.ready,
            metrics.metrics,
            api.routes(),
            pages.routes(with_components=web.components_page),
            media.routes(),
            static_files.bundled,
            *routes,
        ],
        lifespan=[chat],
        exception_handlers={AichatError: explain, HTTPException: refuse, Exception: admit},
        cors_config=CORSConfig(allow_origins=list(web.allowed_origins))
        if web.allowed_origins
        else None,
        openapi_config=openapi.config(),
        plugins=[AichatServer()],
    )
    serve: ASGIApp = partial(Litestar.__call__, app)
    if ready.manager:
        access = Token(keyring) if keyring else Local(web.allowed_origins)
        serve = app.state.authenticator = Authenticator(serve, ready.manager, access, web)
    guard = Guard(serve, web.allowed_hosts, web.allowed_origins)
    app.door = Proxies(guard, web.trusted_proxies)
    app.state.keyring = keyring
    app.state.failure = ready.error
    app.state.when_kept = lambda: None
    app.state.config = ready.config
    app.state.manager = ready.manager
    app.state.jinja = environment(folders)
    app.state.jinja.globals["has_login"] = bool(keyring)
    return app


@asynccontextmanager
async def _opened(app: Litestar, config: Config, manager: PluginManager) -> AsyncIterator[None]:
    painter = Painter(app.state.jinja)
    hurry = app.state.hurry = anyio.Event()
    authenticator: Authenticator = app.state.authenticator
    async with open_chat(config, manager) as (bus, parts), anyio.create_task_group() as tasks:
        tasks.start_soon(authenticator.watch)
        app.state.bus, app.state.parts = bus, parts
        parts.watchers.append(DownloadLog(parts).look)
        app.state.prompts = prompt_log.Prompts()
        app.state.prompts.listen(bus)
        app.state.rooms = Rooms(bus, parts, painter, tasks, Paces.by(config.web, bus.clock.now))
        app.state.idle_timeout = IdleTimeout(config.web.max_silence_s, bus.clock)
        tasks.start_soon(app.state.idle_timeout.watch)
        pending = app.state.pending_deletions = PendingDeletions(tasks)
        app.state.listing = Listing(pending, app.state.rooms.hidden)
        app.state.catalogue, app.state.posted = api.Catalogue(), api.Posted()
        app.state.deleted_messages = DeletedMessages(
            parts,
            app.state.rooms,
            pending,
            app.state.listing,
            app.state.jinja,
            partial(api.delete_message, app.state),
        )
        app.state.deleted_characters = DeletedCharacters(parts, app.state.rooms, pending)
        app.state.uploads, app.state.pictures = Uploads(), Pictures()
        app.state.previews = Previews(paths.data() / "previews", config)
        app.state.trials = Tryouts()
        app.state.imports = Imports()
        await _tidy(app.state.previews, parts)
        app.state.adjusting = LiveSettings(parts)
        await app.state.adjusting.restore()
        app.state.metrics = metrics.Metrics()
        app.state.metrics.listen(bus, app.state.rooms)
        await until_answerable(parts, hurry)
        gc.collect()
        gc.freeze()  # what is here now stays, so full collections, which stall audio, get short
        yield
        bus.stop()
        with anyio.move_on_after(KEEP_SECONDS):
            await pending.purge()
            await bus.kept()
        app.state.when_kept()
        tasks.cancel_scope.cancel()


async def _tidy(previews: Previews, parts: Parts) -> None:
    """Remove what earlier processes have left behind."""
    await to_thread.run_sync(previews.sweep)
    await to_thread.run_sync(sweep_temporary)
    await archive.finish_rollbacks(paths.data(), parts.storage)


def _first(group: BaseExceptionGroup[AichatError]) -> AichatError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AichatError)  # noqa: S101  (except* has chosen it)
    return error


IN_WORDS = {
    404: "There is nothing at this address.",
    405: "That cannot be done at this address.",
    413: "The request is too large. Send less.",
}
Extra = list[dict[str, str]]


def explain(request: Request[Any, Any, Any], error: AichatError) -> Response[Any]:
    """Answer with one of our errors."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    wait = error.wait if isinstance(error, TooMany) else 5
    headers = {"Retry-After": str(wait)} if status in (429, 503) else {}
    return _answer(request, status, error.line, headers, _wrong_fields(error))


def _wrong_fields(error: AichatError) -> Extra:
    if isinstance(error, BadBody):
        return [{"field": one.field, "message": one.message} for one in error.mistakes]
    if isinstance(error, BadValue) and error.field:
        return [{"field": error.field, "message": error.line}]
    return []


def refuse(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer with an HTTP error."""
    extra = wrong_parameters(request, error)
    problems = " ".join(f"{one['field']}: {one['message']}".removeprefix(": ") for one in extra)
    detail = problems or IN_WORDS.get(error.status_code, error.detail)
    return _answer(request, error.status_code, detail, dict(error.headers or {}), extra)


def admit(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer that the server failed; the details are in the log only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = f"The server failed ({type(error).__name__}). Its log says more."
    return _answer(request, 500, detail, {}, [])


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    detail: str,
    headers: dict[str, str],
    extra: Extra,
) -> Response[Any]:
    if is_fragment(request):
        alarm = toast_only(request, detail, "bad", status)
        alarm.headers.update(headers)
        return alarm
    if wants_page(request):
        again = request.url.path if request.method == "GET" and status >= 500 else ""
        drawn = page(request, "error.html", status, status=status, detail=detail, again=again)
        drawn.headers.update(headers)
        return drawn
    body: dict[str, Any] = {"status_code": status, "detail": detail}
    if extra:
        body["extra"] = extra
    return Response(body, status_code=status, media_type="application/json", headers=headers)
