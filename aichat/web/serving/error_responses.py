"""Errors as responses: a page, a toast or JSON, as the client wants it."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from aichat.core import AichatError, BadValue, Conflict, Denied, NotFound, Unreachable
from aichat.core.errors import BackendError
from aichat.web.access.rate_limits import TooMany
from aichat.web.html.page import is_fragment, page, toast_only, wants_page
from aichat.web.schemas.client_frames import BadFrame
from aichat.web.schemas.decoding import BadBody
from aichat.web.schemas.parameters import wrong_parameters
from aichat.web.services.uploads import TooLarge

log = logging.getLogger(__name__)

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


HANDLERS: ExceptionHandlersMap = {
    AichatError: explain,
    HTTPException: refuse,
    Exception: admit,
}
"""What answers each kind of error."""
