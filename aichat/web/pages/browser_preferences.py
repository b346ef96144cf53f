"""The form that changes browser preferences: colours, the rail, announcements, shortcuts."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from aichat.web.html.page import OWN_PATH, Page, Req
from aichat.web.settings.browser_preferences import SECONDS, preferences

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@post("/preferences", status_code=303)
async def prefer(request: Req, data: Form) -> Page:
    """Save the preferences that the form names, and redirect to the page it was sent from."""
    kept = preferences(request.cookies).changed(data)
    back = data.get("next", "/")
    answer = Response("", status_code=303)
    answer.headers["Location"] = back if OWN_PATH.fullmatch(back) else "/"
    for name, value in kept.cookies(data):
        answer.set_cookie(name, value, max_age=SECONDS, path="/", httponly=True, samesite="lax")
    return answer


def routes() -> Router:
    """Return the routes of this form."""
    return Router("/", route_handlers=[prefer])
