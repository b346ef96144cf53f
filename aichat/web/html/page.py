"""The frame of every page: it applies the browser's preferences, and shows pending toasts."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request, Response
from litestar.enums import MediaType

from aichat.web.settings.browser_preferences import preferences

from . import toasts
from .compression import packed
from .templates import templates_of
from .toasts import Kind, Toast

Req = Request[Any, Any, Any]
Page = Response[Any]
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of this server: never an address elsewhere."""


def page(request: Req, template: str, code: int = 200, **context: Any) -> Page:
    """Answer with a page, which shows once the toast that the last form left."""
    html = drawn(request, template, **context)
    body, headers = packed(html, request.headers.get("accept-encoding", ""))
    headers["Cache-Control"] = "no-store"
    if toasts.COOKIE in request.cookies:
        headers["Set-Cookie"] = toasts.GONE
    return Response(body, status_code=code, media_type=MediaType.HTML, headers=headers)


def drawn(request: Req, template: str, **context: Any) -> str:
    """Render *template* with *context*, the browser's preferences and the current path."""
    return (
        templates_of(request.app)
        .get_template(template)
        .render(
            preferences=preferences(request.cookies),
            toast=toasts.toast(request.cookies),
            section=section(request.url.path),
            here=request.url.path,
            **context,
        )
    )


def section(path: str) -> str:
    """Return the name of the rail entry that a path belongs to."""
    first = path.split("/")[1]
    return "chats" if first in ("", "c", "conversations") else first


def done(to: str, text: str) -> Page:
    """Answer a form that worked: redirect to the page *to*, which shows *text*."""
    return _onward(to, Toast(text))


def failed(to: str, text: str) -> Page:
    """Answer a form that failed: redirect to the page *to*, which shows why."""
    return _onward(to, Toast(text, "bad"))


def _onward(to: str, toast: Toast) -> Page:
    return Response("", status_code=303, headers={"Location": to, "Set-Cookie": toast.cookie()})


def toast_only(
    request: Req, text: str, kind: Kind = "good", code: int = 200, more: str = ""
) -> Page:
    """Answer htmx with a toast, and *more* partials for the page."""
    template = templates_of(request.app).get_template("fragments/toast.html")
    drawn_toast = template.render(toast=Toast(text, kind))
    html = f'<hx-partial hx-target="#toasts" hx-swap="beforeend">{drawn_toast}</hx-partial>{more}'
    headers = {"HX-Reswap": "none", "Cache-Control": "no-store"}
    return Response(html, status_code=code, media_type=MediaType.HTML, headers=headers)


def address(request: Req) -> str | None:
    """Return the address of who asks, whose limits the request counts for."""
    return request.client.host if request.client else None


def is_fragment(request: Req) -> bool:
    """Return whether htmx sent the request, so that the page stays loaded."""
    return request.headers.get("hx-request") == "true"


def saved(request: Req, to: str, text: str) -> Page:
    """Answer a form that was saved: htmx with a toast, a browser with a redirect and a toast."""
    return toast_only(request, text) if is_fragment(request) else done(to, text)


def wants_page(request: Req) -> bool:
    """Return whether the client wants a page rather than data."""
    if request.url.path.startswith("/api/"):
        return False
    return "text/html" in request.headers.get("accept", "")
