"""The page Speech: which backends hear and speak, their settings, and a test of the devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath

from aichat.core import BadValue, PartStatus
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.page import Page, Req, done, page
from aichat.web.schemas.forms import read_form
from aichat.web.settings.descriptions import Setting, settings_of
from aichat.web.settings.live_settings import LiveValue

from . import forms
from .forms import Problems

PARTS = {
    "vad": "Detecting speech",
    "turn": "Detecting the end of your turn, and interruptions",
    "stt": "Transcribing what you say",
    "tts": "Speaking",
}
"""The parts that handle audio, in the order of a turn, with their titles."""
WORD = re.compile(r"\w+")
ON_OFF = {"auto": "If it costs nothing", "on": "Always", "off": "Never"}


@frozen
class Field:
    """A setting that can be changed, as the form shows it."""

    of: LiveValue
    typed: str | None = None
    """The rejected value, as it was typed."""
    problem: str = ""

    @property
    def name(self) -> str:
        """Its name in plugins.toml, and in the form."""
        return self.of.name

    @property
    def label(self) -> str:
        """Its label, with its unit."""
        label = self.of.setting.label
        return f"{label}, in ms" if self.name.endswith("_ms") else label

    @property
    def hint(self) -> str:
        """What it does."""
        return self.of.setting.mark.help

    @property
    def value(self) -> str:
        """What the field holds."""
        return _shown(self.of.value) if self.typed is None else self.typed

    @property
    def base(self) -> str:
        """Its value in plugins.toml, on one line."""
        return ", ".join(_shown(self.of.base).split("\n")) or "aichat's own"

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return the allowed values with their labels; empty where the value is free."""
        kind = self.of.setting.kind
        known: Sequence[Any] = (True, False) if kind is bool else self.of.setting.choices
        return [(_shown(one), ON_OFF.get(_shown(one), _shown(one))) for one in known]

    @property
    def limits(self) -> dict[str, Any]:
        """Return the attributes of a field for a number."""
        mark, kind = self.of.setting.mark, self.of.setting.kind
        step = "0.01" if kind is float else "1"
        given = {"min": mark.low, "max": mark.high, "step": step}
        return {name: value for name, value in given.items() if value is not None}


@frozen
class Serving:
    """Who plays a part now (*status* is None where nobody does), and how it is set up."""

    part: str
    title: str
    status: PartStatus | None
    settings: list[Setting] = field(factory=list)
    """Settings that are read once, when it starts."""
    fields: list[Field] = field(factory=list)
    """Settings that can be changed on this page."""

    @property
    def is_changed(self) -> bool:
        """Something differs from plugins.toml."""
        return any(one.of.is_changed for one in self.fields)


@get("/speech")
async def speech(request: Req, app: App) -> Page:
    """The page Speech."""
    return _page(request, app)


@post("/speech/{backend:str}", status_code=200)
async def change(request: Req, app: App, backend: FromPath[str]) -> Page:
    """Change settings of a backend, or take one or all back to what plugins.toml says."""
    form = await read_form(request)
    part, _, name = backend.partition(".")
    wanted, _, what = (forms.text(form, "do") or "save").partition(" ")
    try:
        if wanted == "reset" and what:
            await app.live_settings.change(part, name, {what: None})
        elif wanted == "reset":
            await app.live_settings.reset(part, name)
        else:
            known = app.live_settings.of(part, name)
            await app.live_settings.change(part, name, _changes(known, form))
    except BadValue as error:
        wrong = {error.field: _with_labels(error.line, app.live_settings.of(part, name))}
        return _page(request, app, 400, backend, form, wrong)
    words = (
        "Set back to the value in plugins.toml."
        if wanted == "reset"
        else "Saved. It applies from now on."
    )
    return done(f"/speech#set-{part}", words)


def _changes(known: Sequence[LiveValue], form: FormMultiDict) -> dict[str, Any]:
    """Read what the form changes."""
    sent = {one.name: _read(one, forms.text(form, one.name)) for one in known if one.name in form}
    return {one.name: sent[one.name] for one in known if sent.get(one.name, one.value) != one.value}


def _read(one: LiveValue, text: str) -> Any:
    """Read a field; None stands for what plugins.toml says."""
    kind = one.setting.kind
    if kind is list:
        return [line.strip() for line in text.split("\n") if line.strip()] or None
    if kind is bool:
        return text == _shown(True)
    return forms.number(text) if kind in (int, float) else text or None


def _with_labels(line: str, known: Sequence[LiveValue]) -> str:
    """Replace the names of settings by the labels of the page."""
    labels = {one.name: one.setting.label for one in known if one.setting.mark.label}
    return WORD.sub(lambda found: f"“{labels[found[0]]}”" if found[0] in labels else found[0], line)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return "\n".join(value)
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _page(
    request: Req,
    app: ApplicationState,
    code: int = 200,
    tried: str = "",
    form: FormMultiDict | None = None,
    problems: Problems | None = None,
) -> Page:
    statuses = [one for part in PARTS for one in app.parts.statuses() if one.part == part]
    serving = []
    for part, title in PARTS.items():
        status = next((one for one in statuses if one.part == part and one.serving), None)
        if status is None:
            serving.append(Serving(part, title, None))
            continue
        settings = settings_of(app.config, app.manager, part, status.name)
        fields = [Field(one) for one in app.live_settings.of(part, status.name)]
        if form and tried == f"{part}.{status.name}":
            wrong = problems or {}
            fields = [
                Field(one.of, forms.text(form, one.name), wrong.get(one.name, "")) for one in fields
            ]
        fixed = [one for one in settings if not one.is_live]
        serving.append(Serving(part, title, status, fixed, fields))
    return page(request, "pages/speech.html", code, statuses=statuses, serving=serving)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[speech, change])
