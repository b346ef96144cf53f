"""JSON that is meant to hurt, at every address of the API that takes a body, and in cookies."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest

from aichat.core import load_plugins
from aichat.core.memory_storage import MemoryStorage
from aichat.web.app import Setup, create_app
from support.chat import Given
from support.in_process_server import Server, a_server

DEEP = 30_000
NAMED = '{{"name": "x", "extensions": {{"a": {}}}}}'
HURTING: dict[str, str | bytes] = {
    "lists": '{"x": ' + "[" * DEEP + "]" * DEEP + "}",
    "open lists": "[" * 100_000,
    "objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "lists in free JSON": NAMED.format("[" * DEEP + "]" * DEEP),
    "lists that a decoder takes, and a store does not": NAMED.format("[" * 500 + "]" * 500),
    "many digits": NAMED.format("9" * 5_000),
    "more than 64 bits": NAMED.format("-" + "9" * 20),
    "many digits and U+0000": '{"name": "\\u0000", "extensions": {"a": ' + "9" * 5_000 + "}}",
    "deep, and U+0000": '{"name": "\\u0000", "x": ' + "[" * 5_000 + "]" * 5_000 + "}",
    "not a number": NAMED.format("NaN"),
    "infinity": NAMED.format("Infinity"),
    "a large exponent": NAMED.format("1e999"),
    "half a pair": '{"name": "\\ud800"}',
    "half a pair in a key": '{"name": "x", "extensions": {"\\udc00": 1}}',
    "U+0000": '{"name": "a\\u0000"}',
    "U+0000 in a key": '{"name": "x", "extensions": {"\\u0000": 1}}',
    "U+0000 in a list": '{"settings": {"stop": ["\\u0000"]}, "stop": ["\\u0000"]}',
    "a raw U+0000": b'{"name": "a\x00b"}',
    "Latin-1": b'{"name": "\xff"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a number": "1" * 5_000,
    "a text": '"x"',
    "null": "null",
    "nothing": "",
}  # fmt: skip


def _operations() -> list[tuple[str, str]]:
    given = Given()
    app = create_app(Setup(given.config(), load_plugins(extra=[given])))
    return [
        (method, path)
        for path, operations in app.openapi_schema.to_schema()["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


OPERATIONS = _operations()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(storage=MemoryStorage()) as server:
        yield server


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


def test_there_are_addresses_that_take_a_body() -> None:
    assert len(OPERATIONS) > 15
    assert ("post", "/api/messages/batch") in OPERATIONS


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_sent_is_refused_in_words(api: httpx.Client, method: str, path: str) -> None:
    conversation = api.post("/api/conversations", json={}).json()["conversation_id"]
    character = api.post("/api/characters", json={"name": "Olivia"}).json()["id"]
    known = {"{conversation_id}": conversation, "{character_id}": character, "{id}": character}
    for slot, value in (known | {"{voice}": "v", "{part}": "turn", "{name}": "given"}).items():
        path = path.replace(slot, value)
    before = api.get(f"/api/characters/{character}").json()
    for name, body in HURTING.items():
        content = body.encode() if isinstance(body, str) else body
        kind = {"content-type": "application/json"}
        answer = api.request(method, path, content=content, headers=kind)
        assert answer.status_code in (400, 404), (name, answer.text[:200])
        told = answer.json()
        assert told.keys() <= {"status_code", "detail", "extra"}
        assert 0 < len(told["detail"]) < 3_000, name
    assert api.get(f"/api/characters/{character}").json() == before


def test_the_last_of_two_fields_of_one_name_counts(api: httpx.Client) -> None:
    twice = b'{"name": "One", "name": "Two"}'
    made = api.post("/api/characters", content=twice, headers={"content-type": "application/json"})
    assert made.json()["name"] == "Two"


@pytest.mark.parametrize(
    "cookie", ["1", "[1]", "null", "%5B" * 20_000, '["good"]', '["good", 1]', '["odd", "x"]', "%ff"]
)
def test_a_toast_that_we_did_not_write_is_not_shown(api: httpx.Client, cookie: str) -> None:
    answer = api.get("/settings", headers={"cookie": f"aichat-toast={cookie}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["lists", "objects", "many digits", "not a number", "Latin-1"])
@pytest.mark.parametrize("file", ["aichat.json", "characters.json"])
def test_an_archive_with_json_that_hurts_is_refused(
    api: httpx.Client, file: str, name: str
) -> None:
    about = b'{"format": "aichat", "version": 1, "made_by": "x", "made_at": "2026-01-01T00:00:00Z"}'
    body = HURTING[name]
    files = {"aichat.json": about, file: body.encode() if isinstance(body, str) else body}
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)
    sent = {"file": ("a.zip", packed.getvalue())}
    answer = api.post("/settings/import", files=sent, headers={"accept": "application/json"})
    assert answer.status_code == 400, answer.text[:300]
    assert file in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/messages", {"text": "\0"}),
        ("/c/{id}", {"do": "rename", "title": "a\0"}),
        ("/c/{id}/messages", {"text": "a\0b"}),
        ("/c/{id}/cast", {"do": "add \0"}),
        ("/c/{id}/cast", {"do": "mute", "character": "\0"}),
        ("/c/{id}/cast", {"do": "rules", "strategy": "\0"}),
        ("/models", {"conversation": "\0"}),
        ("/models", {"do": "use \0"}),
        ("/models", {"temperature": "9" * 5_000}),
        ("/settings", {"max_replies": "nan"}),
        ("/settings", {"max_replies": "9" * 400}),
        ("/settings/stop", {"part": "\0", "name": "\0"}),
    ],
)
def test_forms_that_hurt_are_refused(api: httpx.Client, path: str, form: dict[str, str]) -> None:
    conversation = api.post("/api/conversations", json={}).json()["conversation_id"]
    answer = api.post(path.replace("{id}", conversation), data=form)
    assert answer.status_code in (400, 404), answer.text[:200]
