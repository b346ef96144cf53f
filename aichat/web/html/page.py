"""The frame of every page: it is drawn in the browser's colours, and tells what was just done."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment
from litestar import Request, Response
from litestar.enums import MediaType

from aichat.web.settings.browser_preferences import preferences

from . import toasts
from .compression import packed
from .toasts import Kind, Toast

Req = Request[Any, Any, Any]
Page = Response[Any]
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of this server: never an address elsewhere."""


def page(request: Req, template: str, code: int = 200, **context: Any) -> Page:
    """Answer with a page. It tells once what the form before it has done."""
    html = drawn(request, template, **context)
    body, headers = packed(html, request.headers.get("accept-encoding", ""))
    headers["Cache-Control"] = "no-store"
    if toasts.COOKIE in request.cookies:
        headers["Set-Cookie"] = toasts.GONE
    return Response(body, status_code=code, media_type=MediaType.HTML, headers=headers)


def drawn(request: Req, template: str, **context: Any) -> str:
    """Draw *template*; it gets *context*, what the browser prefers, and where it is."""
    jinja: Environment = request.app.state.jinja
    return jinja.get_template(template).render(
        preferences=preferences(request.cookies),
        toast=toasts.toast(request.cookies),
        section=section(request.url.path),
        here=request.url.path,
        **context,
    )


def section(path: str) -> str:
    """Name the place in the rail that a path belongs to."""
    first = path.split("/")[1]
    return "chats" if first in ("", "c", "conversations") else first


def done(to: str, text: str) -> Page:
    """Answer a form: go on to the page *to*, which says that it worked."""
    return _onward(to, Toast(text))


def failed(to: str, text: str) -> Page:
    """Answer a form: go on to the page *to*, which says why it did not work."""
    return _onward(to, Toast(text, "bad"))


def _onward(to: str, told: Toast) -> Page:
    return Response("", status_code=303, headers={"Location": to, "Set-Cookie": told.cookie()})


def told(request: Req, text: str, kind: Kind = "good", code: int = 200, more: str = "") -> Page:
    """Answer htmx with a toast, and *more* partials for the page."""
    jinja: Environment = request.app.state.jinja
    drawn_toast = jinja.get_template("fragments/toast.html").render(toast=Toast(text, kind))
    html = f'<hx-partial hx-target="#toasts" hx-swap="beforeend">{drawn_toast}</hx-partial>{more}'
    headers = {"HX-Reswap": "none", "Cache-Control": "no-store"}
    return Response(html, status_code=code, media_type=MediaType.HTML, headers=headers)


def address(request: Req) -> str | None:
    """Return the address of who asks, whose limits the request counts for."""
    return request.client.host if request.client else None


def is_fragment(request: Req) -> bool:
    """Tell whether htmx asks, from a page that stays."""
    return request.headers.get("hx-request") == "true"


def saved(request: Req, to: str, text: str) -> Page:
    """Answer a form that was kept: htmx with a toast, a browser with the page *to* and a toast."""
    return told(request, text) if is_fragment(request) else done(to, text)


def wants_page(request: Req) -> bool:
    """Tell whether a browser asks for a page to look at, not for data."""
    if request.url.path.startswith("/api/"):
        return False
    return "text/html" in request.headers.get("accept", "")
