"""How aichat is set up, how it looks in this browser, and everything that it keeps."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import anyio.to_thread
from attrs import frozen
from litestar import Router, get, post
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Stream
from pluggy import PluginManager

from aichat.core import BacksUp, BadValue, Config, NotFound, Parts, new_id
from aichat.core.errors import BadSettings
from aichat.core.turn_rules import DEFAULT, STRATEGIES, TURN_SETTINGS
from aichat.toolkit.packages import version
from aichat.web import paths
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.page import Page, Req, done, drawn, is_fragment, page, saved, toast_only
from aichat.web.schemas.decoding import BadBody, fill
from aichat.web.schemas.forms import read_form
from aichat.web.schemas.records import SettingsChanges
from aichat.web.schemas.settings import sent
from aichat.web.services import archive
from aichat.web.services.import_jobs import Import
from aichat.web.settings.descriptions import goes_to, settings_of
from aichat.web.settings.env_file import load_env

from . import forms

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
ARCHIVE_BYTES = 1_000_000_000
FILE = "aichat-{:%Y-%m-%d}.zip"


@frozen
class Destination:
    """Where a part sends what you say or write: *place* is another machine, or None."""

    part: str
    name: str
    place: str | None


@get("/settings")
async def settings(request: Req, app: App) -> Page:
    """Everything that can be set."""
    chosen = await app.storage.settings()
    return await _settings(request, app, chosen, _shown(chosen), {})


async def _settings(
    request: Req,
    app: ApplicationState,
    chosen: Mapping[str, Any],
    drawn: forms.Values,
    problems: forms.Problems,
) -> Page:
    statuses = app.parts.statuses()
    return page(
        request,
        "pages/settings.html",
        400 if problems else 200,
        problems=problems,
        statuses=statuses,
        plugins=_plugins(app.manager),
        destinations=_destinations(app.config, app.manager, app.parts),
        chosen=chosen,
        drawn_with=drawn,
        strategies=_strategies(),
        strategy=_strategy(chosen),
        counts=await _counts(app.parts),
        storage=next(one.name for one in statuses if one.part == "storage" and one.serving),
        has_backup=isinstance(app.storage, BacksUp),
        components_page=app.config.web.components_page,
        version=version(),
        python=platform.python_version(),
    )


@post("/settings")
async def keep(request: Req, app: App, data: Form) -> Page:
    """Keep what new conversations begin with."""
    changed = forms.changed(data, TURN_SETTINGS)
    try:
        changes = fill({name: _read(data, name) for name in changed}, SettingsChanges)
    except BadBody as error:
        wrong = forms.problems(error)
        if is_fragment(request):
            lines = (f"{TURN_SETTINGS[name].label}: {words}" for name, words in wrong.items())
            return toast_only(request, " ".join(lines), "bad", 400)
        return await _settings(request, app, data, forms.drawn(data, TURN_SETTINGS), wrong)
    await app.storage.change_settings(sent(changes))
    words = "Saved: new conversations start with these settings."
    if is_fragment(request):
        shown = drawn(
            request, "fragments/settings_drawn.html", drawn_with=forms.texts(data, TURN_SETTINGS)
        )
        return toast_only(request, words, more=shown)
    return done("/settings#conversations", words)


def _read(form: Form, name: str) -> Any:
    value = forms.text(form, name)
    if name in ("max_replies", "auto_cap"):
        return forms.number(value)
    return bool(value) or None if name == "auto" else value or None


def _shown(chosen: Mapping[str, Any]) -> forms.Values:
    """Return what the form shows of the settings, as a browser sends it back."""
    return {
        "strategy": _strategy(chosen),
        "max_replies": str(chosen.get("max_replies") or ""),
        "auto": "on" if chosen.get("auto") else "",
        "auto_cap": str(chosen.get("auto_cap") or ""),
    }


def _strategies() -> list[tuple[str, str]]:
    """Return the values and labels of the strategies; the default is not stored."""
    return [("" if one is DEFAULT else one.name, one.label) for one in STRATEGIES.values()]


def _strategy(chosen: Mapping[str, Any]) -> str:
    strategy = chosen.get("strategy")
    return "" if strategy in (None, DEFAULT.name) else str(strategy)


@get("/settings/export")
async def export(request: Req, app: App) -> Stream:
    """Export everything, or the kinds that the query names, as one file."""
    wanted = set(request.query_params.getall("with", [])) & set(archive.KINDS)
    size, pieces = await archive.packed(app.storage, wanted or archive.KINDS)
    name = FILE.format(archive.today())
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        "Cache-Control": "no-store",
    }
    return Stream(pieces, media_type="application/zip", headers=headers)


@post("/settings/import", request_max_body_size=ARCHIVE_BYTES)
async def take_in(request: Req, app: App) -> Page:
    """Import a file that aichat exported."""
    with app.imports.begun(request.query_params.get("job") or new_id()) as one:
        form = await read_form(request)
        with one.scope:
            return await _taken_in(request, app, form, one)
    return saved(request, "/settings#data", "The import was cancelled. Everything is as it was.")


async def _taken_in(request: Req, app: ApplicationState, form: FormMultiDict, one: Import) -> Page:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadValue("There is no file.", "Choose one that aichat exported.", "file")
    policy: archive.Policy = "replace" if form.get("existing") == "replace" else "keep"
    try:
        taken = await archive.take_in(app.storage, file.file, policy, paths.data(), one.report)
    finally:
        await file.close()
    for id in taken.changed:
        await app.rooms.character_changed(id)
    return saved(request, "/settings#data", taken.line)


@get("/settings/import/{job:str}")
async def progress(app: App, job: FromPath[str]) -> Stream:
    """Stream the progress of an import, line by line; nothing once it has ended."""
    return Stream(
        app.imports.progress(job), media_type="text/plain", headers={"Cache-Control": "no-store"}
    )


@post("/settings/import/{job:str}/cancel", status_code=202)
async def cancel(app: App, job: FromPath[str]) -> None:
    """Cancel an import; the request that sent it answers once everything is rolled back."""
    app.imports.one(job).scope.cancel()


@post("/settings/forget")
async def forget(request: Req, app: App, data: Form) -> Page:
    """Delete all conversations, and what was said in them."""
    if data.get("sure") != "yes":
        raise BadValue("Nothing was deleted.", "Tick that you are sure, then try again.", "sure")
    count = 0
    while found := await app.storage.conversations(100):
        for one in found:
            with suppress(NotFound):  # another request has deleted it already
                await app.storage.delete_conversation(one.conversation_id)
                count += 1
            app.rooms.dismiss(one.conversation_id)
    words = "1 conversation is" if count == 1 else f"{count} conversations are"
    return saved(request, "/settings#data", f"{words} gone.")


@post("/settings/stop")
async def stop(request: Req, app: App, data: Form) -> Page:
    """Stop a backend that is starting, for example one that downloads weights."""
    name = data.get("name", "")
    if not app.parts.stop(data.get("part", ""), name):
        raise BadValue("That is not starting any more.", "Look at the list of plug-ins.", "name")
    return saved(request, "/settings#plugins", f"{name} was stopped.")


@post("/settings/retry")
async def retry(request: Req, app: App, data: Form) -> Page:
    """Start a backend again that has failed or was stopped."""
    name = data.get("name", "")
    try:
        await anyio.to_thread.run_sync(load_env)  # the key that was missing may be there now
    except BadSettings as error:
        raise BadValue(error.problem, error.hint, "name") from error
    if not app.parts.retry(data.get("part", ""), name):
        raise BadValue("There is nothing to try again.", "Look at the list of plug-ins.", "name")
    return saved(request, "/settings#plugins", f"{name} is starting.")


@post("/settings/fetch")
async def fetch(request: Req, app: App, data: Form) -> Page:
    """Download a model for a backend whose start has failed, and start it with that."""
    model = data.get("model", "")
    if not app.parts.fetch(data.get("part", ""), data.get("name", ""), model):
        raise BadValue("There is nothing to fetch.", "Look at the list of plug-ins.", "model")
    return saved(request, "/settings#plugins", f"{model} is being fetched.")


def _plugins(manager: PluginManager) -> list[tuple[str, bool]]:
    """Return every plug-in's name, and whether it is registered or blocked by plugins.toml."""
    named = manager.list_name_plugin()
    return sorted((name, plugin is not None) for name, plugin in named if not name.isdigit())


def _destinations(config: Config, manager: PluginManager, parts: Parts) -> list[Destination]:
    """Return where each part that sees what people say or write sends it."""
    return [
        Destination(one.part, one.name, goes_to(settings_of(config, manager, one.part, one.name)))
        for one in parts.statuses()
        if one.serving and one.part in ("stt", "llm", "tts", "storage")
    ]


async def _counts(parts: Parts) -> dict[str, int]:
    characters, voices = await parts.storage.characters(), await parts.storage.voices()
    return {"characters": len(characters), "voices": len(voices)}


def routes() -> Router:
    """Return the routes of this page."""
    return Router(
        "/",
        route_handlers=[
            *(settings, keep, export, take_in, progress, cancel, forget),
            *(stop, retry, fetch),
        ],
    )
