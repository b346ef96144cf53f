"""The OpenAPI document at ``/schema``: for people with Swagger UI, for programs as JSON and YAML.

Litestar finds the operations; the schemas of the records are msgspec's own, which know every limit.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from msgspec import Struct

from aichat.toolkit.packages import version
from aichat.web.html.page import drawn
from aichat.web.schemas import records, system
from aichat.web.schemas.known_names import with_names

DESCRIPTION = """\
Everything that the pages of aichat do, for other programs.

Every error is `{"status_code", "detail", "extra"?}`; `extra` names each wrong field. Bodies with
unknown fields are refused. PUT changes the fields that are sent, and null takes away what may be
null. Times are ISO 8601 in UTC.

Talking itself goes over the WebSocket at `/ws`.
"""

TAGS = {
    "characters": "Who may answer.",
    "voices": "How characters sound: described in words, or cloned from a clip.",
    "conversations": "Who talks, in which order, with which settings.",
    "messages": "What was said.",
    "turns": "How long the last turns took.",
    "settings": "What new conversations begin with.",
    "models": "What the language model backend offers.",
    "plugins": "What aichat is made of.",
    "health": "Is the server alive, and can it do its work?",
}


class Json(JsonRenderPlugin):
    """``/schema/openapi.json``."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Write the document."""
        return super().render(request, completed(openapi_schema))


class Yaml(YamlRenderPlugin):
    """``/schema/openapi.yaml``."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Write the document."""
        return super().render(request, completed(openapi_schema))


class Page(OpenAPIRenderPlugin):
    """``/schema``: Swagger UI, from our own bundle."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Draw the page; its script fetches the document."""
        document = self.get_openapi_json_route(request)
        return drawn(request, "schema.html", document=document).encode()


def config() -> OpenAPIConfig:
    """Describe the API."""
    bearer = SecurityScheme(
        type="http", scheme="bearer", description="Only where access by token is configured."
    )
    return OpenAPIConfig(
        title="aichat",
        version=version(),
        description=DESCRIPTION,
        license=License("MIT", identifier="MIT"),
        path="/schema",
        render_plugins=[Page(path="/"), Json(), Yaml()],
        use_handler_docstrings=True,
        tags=[Tag(name, text) for name, text in TAGS.items()],
        components=Components(security_schemes={"token": bearer}),
        security=[{}, {"token": []}],
    )


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with schemas by msgspec, which keep more of our annotations."""
    made = document["components"]["schemas"]
    structs = [
        one
        for module in (records, system)
        for one in vars(module).values()
        if _is_struct(one) and one.__name__ in made
    ]
    _, better = msgspec.json.schema_components(
        structs, ref_template="#/components/schemas/{name}", schema_hook=_file
    )
    better |= {one.__name__: with_names(one, better[one.__name__]) for one in structs}
    paths = {
        path: {method: _summarised(operation) for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    components = {**document["components"], "schemas": {**made, **better}}
    return {**document, "paths": paths, "components": components}


def _summarised(operation: dict[str, Any]) -> dict[str, Any]:
    """Split a handler's docstring: its first line is the summary, the rest the description."""
    first, _, rest = operation.get("description", "").partition("\n")
    summary = first.rstrip(".") or operation["summary"]
    return {**operation, "summary": summary, "description": rest.strip()}


def _is_struct(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Struct) and one is not Struct


def _file(kind: type) -> dict[str, Any]:
    if kind is UploadFile:
        return {"type": "string", "format": "binary"}
    raise NotImplementedError(kind)  # msgspec then describes the type itself
