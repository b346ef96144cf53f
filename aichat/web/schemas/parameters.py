"""Path and query parameters of the REST API, and its error responses."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, SkipValidation

from . import records

T = TypeVar("T")
Injected = NamedDependency[SkipValidation[T]]
"""What the application has, by the parameter's name: see ``application_state.py``."""

STORABLE = r"^[^\x00]+$"
"""PostgreSQL refuses U+0000 even in a query."""

Id = Annotated[str, PathParameter(description="The record's id.", max_length=200, pattern=STORABLE)]
VoiceKey = Annotated[
    str, PathParameter(description="A voice's key.", max_length=200, pattern=STORABLE)
]
VoiceName = Annotated[
    str | None,
    QueryParameter(
        name="voice_name",
        required=False,
        min_length=1,
        max_length=100,
        pattern=r"\S",
        description="The voice's key, if the form does not hold it.",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Most records to return.")]
Count = Annotated[int, QueryParameter(ge=1, le=200, description="Most messages to return.")]
Offset = Annotated[
    int,
    QueryParameter(
        ge=0,
        le=2**31 - 1,
        description="How many records to skip.",
        schema_extra={"minimum": 0},  # litestar drops a minimum of 0
    ),
]


def _words(name: str) -> QueryParameter:
    return QueryParameter(
        name=name, min_length=1, max_length=1_000, pattern=STORABLE, description="What to look for."
    )


Query = Annotated[str, _words("query")]
Q = Annotated[str, _words("q")]
Of = Annotated[UUID, QueryParameter(description="The conversation.")]

REASONS = {
    400: "Something in the request is wrong; `extra` names each wrong field.",
    401: "The client is not authenticated.",
    403: "The client may not do this.",
    404: "There is no such record, or something that the request refers to is not there.",
    409: "It is there already, or it is in use.",
    413: "Too large.",
    429: "Too many requests.",
    503: "Something that is needed is not there now; try again after `Retry-After` seconds.",
}
ALWAYS = (401, 403, 429, 503)


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the documented errors of an operation: these, and those of every operation."""
    return {
        status: ResponseSpec(records.Error, description=REASONS[status], generate_examples=False)
        for status in sorted({*statuses, *ALWAYS})
    }


def wrong_parameters(request: Request[Any, Any, Any], error: HTTPException) -> list[dict[str, str]]:
    """Return the wrong parameters that an error names, each with a message."""
    if not isinstance(error, ValidationException):
        return []
    if missing := _MISSING.match(error.detail):
        return [{"field": missing[1], "message": "It is missing."}]
    wrong = error.extra if isinstance(error.extra, list) else []
    return [_wrong(request, one["key"], one["message"]) for one in wrong if "key" in one]


_MISSING = re.compile("Missing required query parameter '([^']+)'")


def _wrong(request: Request[Any, Any, Any], key: str, message: str) -> dict[str, str]:
    if key == "data":
        return {"field": "", "message": "A body is missing."}
    parameter = request.route_handler.parsed_fn_signature.parameters.get(key)
    definition = parameter and parameter.kwarg_definition
    return {"field": getattr(definition, "name", None) or key, "message": f"{message}."}
