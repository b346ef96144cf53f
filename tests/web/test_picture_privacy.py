"""A character's pictures are those that this server has; no other place is told who looks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from aichat.core import Character
from aichat.web.schemas.records import Character as Shown
from aichat.web.schemas.records import outs
from aichat.web.services.picture_origin import is_own
from support.chat import a_store
from support.in_process_server import Server, a_server

OWN = [
    "/images/" + "0a" * 32 + ".webp",
    "/static/olivia.png",
    "/static/faces/olivia-2.png",
    "/static/..olivia.png",
    "/avatars/olivia.svg",
    "/avatars/zofie.svg?name=%C5%BDofie+B.",
]
FOREIGN = [
    "https://elsewhere.example/a.png",
    "http://169.254.169.254/latest/meta-data",
    "HTTPS://ELSEWHERE.EXAMPLE/a.png",
    "//elsewhere.example/a.png",
    "/\\elsewhere.example/a.png",
    "\\\\elsewhere.example\\a.png",
    "https:/elsewhere.example",
    "javascript:alert(1)",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "file:///etc/passwd",
    "blob:https://elsewhere.example/1",
    "images/a.webp",
    "/a.png",
    "/settings/export",
    "/logout",
    "/images",
    "/images/",
    "/images/../logout",
    "/images/..",
    "/images/./a.png",
    "/static/../login?code=x",
    "/images//elsewhere.example/a.png",
    "/images/a.png#x",
    "/images/%2e%2e/logout",
    "/images/a b.png",
    "/images/a.png\nx",
    "/images/a.png\n",
    " /images/a.png",
    "/images/ä.png",
    "/Images/a.png",
    "x",
]


@pytest.mark.parametrize("address", OWN)
def test_what_this_server_serves_is_its_own(address: str) -> None:
    assert is_own(address)


@pytest.mark.parametrize("address", FOREIGN)
def test_anything_else_is_not(address: str) -> None:
    assert not is_own(address)


@pytest.fixture
def server() -> Iterator[Server]:
    store: Any = anyio.run(a_store)
    with a_server(storage=store) as server:
        yield server


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def test_own_pictures_are_taken_and_others_are_refused_by_name(api: httpx.Client) -> None:
    for address in OWN:
        body = {"name": "A", "image_url": address, "images": [address]}
        made = api.post("/api/characters", json=body)
        assert made.status_code == 201, address
        assert made.json()["image_url"] == address
    for address in FOREIGN:
        body = {"name": "A", "image_url": address, "images": [OWN[0], address]}
        for answer in (
            api.post("/api/characters", json=body),
            api.put("/api/characters/mark", json=body),
        ):
            assert answer.status_code == 400, address
            wrong = {one["field"]: one["message"] for one in answer.json()["extra"]}
            assert wrong.keys() == {"image_url", "images[1]"}
            assert "Upload it, with POST /api/images" in wrong["image_url"]
    mark = api.get("/api/characters/mark").json()
    assert (mark["image_url"], mark["images"]) == (None, [])


def test_to_have_no_picture_is_always_possible(api: httpx.Client) -> None:
    for nothing in (None, ""):
        answer = api.put("/api/characters/mark", json={"image_url": nothing, "images": []})
        assert answer.status_code == 200


@pytest.fixture
def old(server: Server) -> str:
    """Somebody who was given pictures from elsewhere by an earlier version."""
    where = {"image_url": FOREIGN[0], "images": [FOREIGN[0], OWN[0]]}
    anyio.run(server.store.change_character, "olivia", where)
    return "olivia"


def test_what_was_there_before_stays_readable_and_may_stay(api: httpx.Client, old: str) -> None:
    shown = api.get(f"/api/characters/{old}").json()
    assert shown["image_url"] == FOREIGN[0]
    back = {"image_url": shown["image_url"], "images": shown["images"], "greeting": "Hi."}
    assert api.put(f"/api/characters/{old}", json=back).status_code == 200
    worse = {"images": [*shown["images"], FOREIGN[1]]}
    assert api.put(f"/api/characters/{old}", json=worse).status_code == 400


def test_no_client_is_sent_an_address_elsewhere(
    server: Server, api: httpx.Client, old: str
) -> None:
    with server.client("conversation_id=c&view=html") as client:
        ready = client.until("ready")
        assert {who["id"]: who["image_url"] for who in ready["characters"]}[old] is None
        assert api.put(f"/api/characters/{old}", json={"greeting": "Hi."}).status_code == 200
        told = client.until("cast")
        assert {who["id"]: who["image_url"] for who in told["characters"]}[old] is None
        client.send("text_message", text="@Olivia hi")
        client.until("turn_complete")
        assert "elsewhere.example" not in str(client.seen)
    for path in ("/", "/c/c", "/characters", "/agents", "/conversations"):
        assert "elsewhere.example" not in api.get(path).text, path


def test_an_own_picture_is_told(server: Server, api: httpx.Client) -> None:
    api.put("/api/characters/mark", json={"image_url": OWN[0]})
    with server.client() as client:
        ready = client.until("ready")
    assert {who["id"]: who["image_url"] for who in ready["characters"]}["mark"] == OWN[0]


def test_a_form_refuses_them_beside_the_pictures(api: httpx.Client) -> None:
    fields = {"name": "A", "image_url": FOREIGN[0], "images": FOREIGN[0], "do": "save"}
    page = api.post("/characters/new", files={k: (None, v) for k, v in fields.items()})
    assert page.status_code == 400
    assert "It is no picture of this server." in page.text


def test_an_archive_comes_in_without_them(server: Server, api: httpx.Client) -> None:
    who = Character("zoe-001", "Zoe", image_url=FOREIGN[0], images=[FOREIGN[1], OWN[0]])
    about = {"format": "aichat", "version": 1, "made_by": "x", "made_at": "2026-01-01T00:00:00Z"}
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("aichat.json", msgspec.json.encode(about))
        archive.writestr("characters.json", msgspec.json.encode(outs(Shown, [who])))
    answer = api.post("/settings/import", files={"file": ("a.zip", packed.getvalue())})
    assert answer.status_code == 303, answer.text[:300]
    kept = anyio.run(server.store.character, "zoe-001")
    assert (kept.image_url, list(kept.images)) == (None, [OWN[0]])
