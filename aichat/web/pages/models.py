"""The page Models: which language models there are, and with which parameters they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import anyio
from attrs import frozen
from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import QueryParameter

from aichat.core import AichatError, BadValue, Conversation, ListedModel, Parts, PartStatus, Storage
from aichat.web.application_state import App, ApplicationState
from aichat.web.html.page import Page, Req, done, failed, page
from aichat.web.schemas.decoding import BadBody, fill
from aichat.web.schemas.forms import read_form
from aichat.web.schemas.records import SettingsChanges
from aichat.web.schemas.settings import sent
from aichat.web.settings.conversation_defaults import defaults

from . import forms
from .forms import Problems

SHOWN = 40
"""Models on one page."""
CATALOGUE_SECONDS = 10.0
CONVERSATIONS = 20
Words = Annotated[str, QueryParameter(required=False, max_length=1_000)]
Id = Annotated[str, QueryParameter(required=False, max_length=200)]
Count = Annotated[int, QueryParameter(required=False, ge=1, le=5_000)]


@frozen
class Setting:
    """One parameter, in plain words. *kind* is how its field is typed and read."""

    name: str
    label: str
    hint: str
    kind: str = "number"


SETTINGS = (
    Setting("model", "Model", "Choose one below, or enter its name.", "text"),
    Setting(
        "temperature",
        "Temperature",
        "How much chance decides each word. 0 always says the most likely thing, 0.7 is "
        "lively, 2 is wild.",
    ),
    Setting(
        "top_p",
        "Top p",
        "Only the likeliest words are considered, those whose chances add up to this (0 to 1). "
        "1 considers all. Change this or the temperature, not both.",
    ),
    Setting(
        "max_tokens",
        "Longest reply",
        "In tokens; a token is about three quarters of a word. Short replies are heard sooner.",
    ),
    Setting(
        "stop", "Stop at", "The reply ends before any of these texts. One on each line.", "lines"
    ),
)
KNOWN = tuple(one for one in SETTINGS if one.name in SettingsChanges.__struct_fields__)
NAMES = tuple(one.name for one in KNOWN)


@get("/models")
async def offered(
    request: Req, app: App, q: Words = "", conversation: Id = "", n: Count = SHOWN
) -> Page:
    """The models of the serving backend, or why it cannot list them; and their parameters."""
    subject = await _subject(app, conversation)
    return await _page(request, app, subject, q=q, count=n)


@post("/models", status_code=200)
async def change(request: Req, app: App) -> Page:
    """Set parameters, choose a model, or take one setting back to its default."""
    form = await read_form(request)
    subject = await _subject(app, forms.text(form, "conversation"))
    wanted, _, what = (forms.text(form, "do") or "save").partition(" ")
    if wanted in ("measure", "fetch"):
        return await _for_this_machine(request, app, subject, wanted, what)
    try:
        changes = _wanted(form, wanted, what)
    except BadBody as error:
        return await _page(request, app, subject, 400, form=form, problems=forms.problems(error))
    await _keep(app, subject, changes)
    words = {"use": f"{what} writes from now on.", "reset": "Set back to the default."}
    return done(_address(subject), words.get(wanted, "The settings are saved."))


async def _for_this_machine(
    request: Req, app: ApplicationState, subject: Conversation | None, wanted: str, what: str
) -> Page:
    """Measure how fast models would be here, or download one."""
    place = f"{_address(subject)}#here"
    if wanted == "measure":
        await app.local_models.measure()
        return done(place, "The speed of this machine is measured.")
    try:
        await app.local_models.fetch(what)
    except BadValue as error:
        return failed(place, error.line)
    return done(_address(subject), f"{what} is being downloaded, and writes once it is here.")


async def _subject(app: ApplicationState, id: str) -> Conversation | None:
    """Return the conversation that the page is about; None: all new ones."""
    return await app.storage.conversation(id) if id else None


def _address(subject: Conversation | None) -> str:
    return f"/models?conversation={quote(subject.conversation_id)}" if subject else "/models"


def _wanted(form: FormMultiDict, wanted: str, what: str) -> Mapping[str, Any]:
    """Read what is to be changed. Raises :class:`BadBody`, which names what is wrong."""
    if wanted == "use":
        return sent(fill({"model": what}, SettingsChanges))
    if wanted == "reset":
        return sent(fill({what: None}, SettingsChanges))
    changed = forms.changed(form, NAMES)
    typed = {one.name: _read(one, form) for one in KNOWN if one.name in changed}
    return sent(fill(typed, SettingsChanges))


def _read(setting: Setting, form: FormMultiDict) -> Any:
    value = forms.text(form, setting.name)
    if setting.kind == "number":
        return forms.number(value)
    if setting.kind == "lines":
        return [line for line in value.split("\n") if line.strip()] or None
    return value or None


async def _keep(
    app: ApplicationState, subject: Conversation | None, changes: Mapping[str, Any]
) -> None:
    if subject is None:
        await app.storage.change_settings(changes)
        return
    await app.rooms.change_settings(subject.conversation_id, changes)


async def _page(
    request: Req,
    app: ApplicationState,
    subject: Conversation | None,
    code: int = 200,
    *,
    q: str = "",
    count: int = SHOWN,
    form: FormMultiDict | None = None,
    problems: Problems | None = None,
) -> Page:
    own = await defaults(app.storage)
    chosen = dict(subject.settings) if subject else own
    return page(
        request,
        "pages/models.html",
        code,
        subject=subject,
        conversations=await _conversations(app.storage, subject),
        **_parameters(chosen, form),
        differs=_differing(chosen, own if subject else {}),
        problems=problems or {},
        **await _catalogue(app, subject, q, count),
        local=await app.local_models.listed(),
        serving=_serving(app.parts),
        statuses=_llms(app.parts),
    )


def _parameters(chosen: Mapping[str, Any], form: FormMultiDict | None) -> dict[str, Any]:
    """Return what the page shows of the parameters: those chosen, or as a form has them."""
    shown = {one.name: _shown(chosen.get(one.name)) for one in KNOWN}
    return {
        "settings": KNOWN,
        "values": shown if form is None else forms.texts(form, NAMES),
        "drawn_with": shown if form is None else forms.drawn(form, NAMES),
        "chosen": chosen.get("model"),
    }


async def _catalogue(
    app: ApplicationState, subject: Conversation | None, q: str, count: int
) -> dict[str, Any]:
    """Return what the page shows of the models: those that *q* finds, at most *count*."""
    models, problem = await _models(app)
    found = _found(models, q)
    here = {"conversation": subject.conversation_id} if subject else {}
    return {
        "models": found[:count],
        "count": len(found),
        "known": len(models),
        "more": "/models?" + urlencode({**here, "q": q, "n": count + 200}),
        "problem": problem,
        "q": q,
    }


async def _models(app: ApplicationState) -> tuple[Sequence[ListedModel], str]:
    """Return the models, or why they cannot be listed."""
    try:
        with anyio.fail_after(CATALOGUE_SECONDS):
            return await app.catalogue.ask(app.parts), ""
    except TimeoutError:
        return (), f"The provider did not answer within {CATALOGUE_SECONDS:g} s. Try again."
    except AichatError as error:
        return (), error.line


def _found(models: Sequence[ListedModel], q: str) -> list[ListedModel]:
    words = q.casefold().split()
    return [m for m in models if all(w in f"{m.id}\n{m.name}".casefold() for w in words)]


async def _conversations(storage: Storage, subject: Conversation | None) -> list[Conversation]:
    recent = [one for one in await storage.conversations(CONVERSATIONS) if one.title]
    ids = [one.conversation_id for one in recent]
    return recent if subject is None or subject.conversation_id in ids else [subject, *recent]


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _differing(chosen: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that differ from the default, each with its default."""
    return {
        one.name: _shown(usual.get(one.name)) or "what the model's provider uses"
        for one in KNOWN
        if chosen.get(one.name) is not None and chosen.get(one.name) != usual.get(one.name)
    }


def _llms(parts: Parts) -> list[PartStatus]:
    return [one for one in parts.statuses() if one.part == "llm"]


def _serving(parts: Parts) -> PartStatus | None:
    return next((one for one in _llms(parts) if one.serving), None)


def routes() -> Router:
    """Return the routes of this page."""
    return Router("/", route_handlers=[offered, change])
