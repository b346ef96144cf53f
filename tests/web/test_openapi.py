"""The API's document, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.in_process_server import Server

ENDPOINTS = """
GET /api/characters
GET /api/characters/active
GET /api/characters/search
GET /api/characters/{id}
POST /api/characters
PUT /api/characters/{id}
PUT /api/characters/{id}/active
DELETE /api/characters/{id}
GET /api/voices
GET /api/voices/{voice}
POST /api/voices
PUT /api/voices/{voice}
DELETE /api/voices/{voice}
POST /api/voices/upload
POST /api/voices/clips
POST /api/voices/preview
POST /api/images
POST /api/characters/import
GET /api/conversations
GET /api/conversations/{conversation_id}
POST /api/conversations
PUT /api/conversations/{conversation_id}
PUT /api/conversations/{conversation_id}/characters
POST /api/conversations/{conversation_id}/characters/{character_id}
DELETE /api/conversations/{conversation_id}/characters/{character_id}
DELETE /api/conversations/{conversation_id}
GET /api/messages
GET /api/messages/recent
GET /api/messages/last
POST /api/messages
POST /api/messages/batch
GET /api/messages/search
GET /api/messages/{id}
PUT /api/messages/{id}
DELETE /api/messages/{id}
GET /api/settings
PUT /api/settings
GET /api/models
GET /api/plugins
GET /api/plugins/{part}/{name}/settings
PUT /api/plugins/{part}/{name}/settings
GET /api/tools
GET /api/turns/{id}/latency
GET /api/messages/{id}/prompt
POST /api/messages/{id}/play
POST /api/messages/{id}/regenerate
POST /api/messages/{id}/restore
POST /api/messages/{id}/say-rest
GET /health
GET /health/ready
"""


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return httpx.get(f"{server.url}/schema/openapi.json", trust_env=False).json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_document_has_every_endpoint_of_the_contract_and_no_page(document: Any) -> None:
    assert {f"{method} {path}" for method, path, _ in operations(document)} == set(
        ENDPOINTS.strip().splitlines()
    )


def test_every_operation_has_a_name_a_tag_and_a_sentence(document: Any) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    known = {tag["name"] for tag in document["tags"]}
    for _, _, operation in operations(document):
        assert re.fullmatch("[a-z]+[A-Za-z]+", operation["operationId"])
        assert set(operation["tags"]) <= known
        assert " " in operation["summary"]


def test_every_error_has_the_one_shape_of_errors(document: Any) -> None:
    for method, path, operation in operations(document):
        if path.startswith("/health"):
            continue
        errors = {code: told for code, told in operation["responses"].items() if code >= "400"}
        assert {"401", "403", "429", "503"} <= errors.keys(), (method, path)
        for told in errors.values():
            schema = told["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}, (method, path)
    extra = document["components"]["schemas"]["Error"]["properties"]["extra"]
    assert extra["items"] == {"$ref": "#/components/schemas/FieldError"}


def test_limits_of_fields_show(document: Any) -> None:
    schemas = document["components"]["schemas"]
    new = schemas["NewCharacter"]
    assert new["additionalProperties"] is False
    assert new["required"] == ["name"]
    assert new["properties"]["name"]["maxLength"] == 100
    assert {"type": "number", "minimum": 0, "maximum": 2} in new["properties"]["temperature"][
        "anyOf"
    ]
    assert schemas["Character"]["properties"]["created_at"]["format"] == "date-time"
    assert set(schemas["Character"]["required"]) == set(schemas["Character"]["properties"])
    assert schemas["Upload"]["properties"]["file"]["format"] == "binary"


def test_limits_of_pages_show(document: Any) -> None:
    parameters = document["paths"]["/api/conversations"]["get"]["parameters"]
    limit, offset = ({p["name"]: p["schema"] for p in parameters}[n] for n in ("limit", "offset"))
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)
    assert (offset["minimum"], offset["maximum"]) == (0, 2**31 - 1)


def test_lists_that_are_bodies_have_limits(document: Any) -> None:
    bodies = {
        path: operation["requestBody"]["content"]["application/json"]["schema"]
        for method, path, operation in operations(document)
        if path.endswith(("/batch", "/characters")) and method in ("POST", "PUT")
    }
    batch = bodies["/api/messages/batch"]
    assert (batch["type"], batch["minItems"], batch["maxItems"]) == ("array", 1, 1_000)
    cast = bodies["/api/conversations/{conversation_id}/characters"]
    assert (cast["type"], cast["maxItems"]) == ("array", 100)


def test_the_document_is_the_same_each_time_and_there_as_yaml(
    server: Server, document: Any
) -> None:
    again = httpx.get(f"{server.url}/schema/openapi.json", trust_env=False)
    assert again.json() == document
    yaml = httpx.get(f"{server.url}/schema/openapi.yaml", trust_env=False)
    assert yaml.status_code == 200
    assert "operationId: listCharacters" in yaml.text


def test_the_page_of_the_api_asks_nobody_but_us(server: Server) -> None:
    page = httpx.get(f"{server.url}/schema", trust_env=False)
    assert page.status_code == 200
    assert "http" not in page.text.replace(server.url, "")
    assert "<script>" not in page.text
    assert "style=" not in page.text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert httpx.get(server.url + path, trust_env=False).status_code == 200
    assert "/static/schema-" in page.text
