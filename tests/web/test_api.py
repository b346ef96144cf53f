"""The REST API, as a program uses it: a real server, a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx
import pytest

from aichat.core import BackendFailed, Character, ListedModel, Unreachable
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm
from aichat.plugins.sqlite.store import Sqlite
from support.chat import CAST, a_store
from support.in_process_server import Server, a_server

NO_CONVERSATION = "7dd5d773-23b1-4d8e-9a61-5a8aaa1a81d6"


class ListingLlm(FakeLlm):
    """Counts how often it was asked; fails while *broken*."""

    lists = 0
    broken = False

    async def models(self) -> list[ListedModel]:
        self.lists += 1
        if self.broken:
            raise BackendFailed("The connection to the language model failed.", "Try again.")
        return [ListedModel("maker/large", "Large", 8_192, 3.0), ListedModel("small")]


def _filled_sqlite(path: str) -> Sqlite:
    async def fill() -> None:
        async with Sqlite(path) as store:
            for name in CAST:
                await store.add_character(Character(name.lower(), name, f"You are {name}."))

    anyio.run(fill)
    return Sqlite(path)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "memory":
        store: Any = anyio.run(a_store)
    else:
        store = _filled_sqlite(str(tmp_path_factory.mktemp("api") / "aichat.db"))
    with a_server(storage=store) as server:
        yield server


def made(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()


def got(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> dict[str, str]:
    """The wrong fields of an error, by name."""
    body = answer.json()
    assert answer.status_code == body["status_code"] == status, answer.text
    assert body.keys() <= {"status_code", "detail", "extra"}
    assert body["detail"].endswith(".")
    assert "Traceback" not in answer.text
    return {one["field"]: one["message"] for one in body.get("extra", [])}


def a_character(api: httpx.Client, **more: Any) -> Any:
    return made(api.post("/characters", json={"name": "Olivia Barns", **more}))


def a_conversation(api: httpx.Client, *cast: str, **more: Any) -> str:
    body = {"active_characters": list(cast), **more}
    return str(made(api.post("/conversations", json=body))["conversation_id"])


def a_message(conversation: str, content: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"conversation_id": conversation, "role": "user", "content": content, **more}


# -- characters --------------------------------------------------------------------------------


def test_a_character_is_made_with_what_was_not_said_at_its_default(api: httpx.Client) -> None:
    before = datetime.now(UTC)
    character = made(api.post("/characters", json={"name": "Ida Lovelace"}))
    times = [character.pop("created_at"), character.pop("updated_at")]
    assert all(before <= datetime.fromisoformat(time) for time in times)
    assert character == {
        "id": "ida-lovelace-001",
        "name": "Ida Lovelace",
        "system_prompt": "",
        "voice": None,
        "image_url": None,
        "images": [],
        "is_active": True,
        "greeting": None,
        "model": None,
        "temperature": None,
        "extensions": {},
    }
    assert made(api.post("/characters", json={"name": "Ida Lovelace"}))["id"] == "ida-lovelace-002"


def test_a_character_keeps_everything_it_was_given(api: httpx.Client) -> None:
    voice = made(api.post("/voices", json={"voice": "soft alto"}))["voice"]
    given = {
        "name": "Žofie 🎻 عائشة",
        "system_prompt": "You play.\n" * 100,
        "voice": voice,
        "image_url": "/static/zofie.png",
        "images": ["/static/a.png", "/avatars/zofie.svg?name=%C5%BDofie"],
        "is_active": False,
        "greeting": "שלום",
        "model": "maker/model",
        "temperature": 0,
        "extensions": {"tags": ["a", None, 1, 2.5, {"deep": True}], "": "empty key"},
    }
    character = made(api.post("/characters", json=given))
    assert given.items() <= character.items()
    assert character["id"] == "zofie-001"
    assert got(api.get(f"/characters/{character['id']}")) == character


def test_put_changes_only_what_is_sent_and_null_takes_away(api: httpx.Client) -> None:
    before = a_character(api, greeting="Hi.", temperature=1.5, system_prompt="Be kind.")
    path = f"/characters/{before['id']}"
    after = got(api.put(path, json={"greeting": None, "name": "Olive"}))
    assert after["updated_at"] > before["updated_at"]
    assert {**before, "greeting": None, "name": "Olive", "updated_at": after["updated_at"]} == after
    assert got(api.get(path)) == after
    assert got(api.put(path, json={}))["name"] == "Olive"


def test_null_where_a_value_must_be_is_refused(api: httpx.Client) -> None:
    path = f"/characters/{a_character(api)['id']}"
    wrong = refused(api.put(path, json={"name": None, "is_active": None, "voice": None}), 400)
    assert wrong.keys() == {"name", "is_active"}


def test_the_active_are_listed_and_switched(api: httpx.Client) -> None:
    id = a_character(api)["id"]

    def is_active() -> bool:
        return id in {one["id"] for one in got(api.get("/characters/active"))}

    assert is_active()
    assert got(api.put(f"/characters/{id}/active?is_active=false"))["is_active"] is False
    assert not is_active()
    assert id in {one["id"] for one in got(api.get("/characters"))}
    got(api.put(f"/characters/{id}/active", params={"is_active": True}))
    assert is_active()
    assert refused(api.put(f"/characters/{id}/active"), 400).keys() == {"is_active"}
    assert refused(api.put(f"/characters/{id}/active?is_active=maybe"), 400).keys() == {"is_active"}


def test_search_finds_words_of_name_and_prompt_in_any_case_names_first(api: httpx.Client) -> None:
    prompted = a_character(api, name="Kit", system_prompt="A friend of QUILLON STRASSE.")["id"]
    named = a_character(api, name="Quillon Straße")["id"]

    def found(query: str) -> list[str]:
        return [one["id"] for one in got(api.get("/characters/search", params={"query": query}))]

    assert found("quillon") == [named, prompted]
    assert found("STRASSE quill") == [named, prompted]
    assert found("quillon friend") == [prompted]
    assert found("nobody-has-this") == []
    assert found("   ") == []


def test_a_deleted_character_leaves_its_casts_and_what_it_said(api: httpx.Client) -> None:
    id = a_character(api, name="Passing")["id"]
    conversation = a_conversation(api, id)
    said = a_message(conversation, "I was here.", role="assistant", character_id=id)
    made(api.post("/messages", json=said))
    assert got(api.delete(f"/characters/{id}"))["success"] is True
    refused(api.get(f"/characters/{id}"), 404)
    refused(api.delete(f"/characters/{id}"), 404)
    assert got(api.get(f"/conversations/{conversation}"))["active_characters"] == []
    (message,) = got(api.get("/messages", params={"conversation_id": conversation}))
    assert (message["name"], message["character_id"]) == ("Passing", None)


# -- voices ------------------------------------------------------------------------------------


def test_a_voice_is_made_changed_and_deleted(api: httpx.Client) -> None:
    key = "gruff man, 60 (ÜÄÖ)"
    given = {"voice": key, "speaker_desc": "rough", "settings": {"seed": 1}}
    voice = made(api.post("/voices", json=given))
    assert given.items() <= voice.items()
    assert (voice["method"], voice["audio_path"], voice["audio_tokens"]) == (
        "description",
        None,
        None,
    )
    assert voice in got(api.get("/voices"))
    path = httpx.URL(f"{api.base_url}voices/{key}")
    changed = got(api.put(path, json={"audio_tokens": [[1, 2], [3, 4]], "scene_prompt": "Hall."}))
    assert changed["audio_tokens"] == [[1, 2], [3, 4]]
    assert changed["speaker_desc"] == "rough"
    assert got(api.get(path)) == changed
    refused(api.post("/voices", json=given), 409)
    assert got(api.delete(path))["success"] is True
    refused(api.get(path), 404)
    refused(api.put(path, json={}), 404)
    refused(api.delete(path), 404)


def test_a_voice_in_use_is_not_deleted_and_its_users_are_named(api: httpx.Client) -> None:
    made(api.post("/voices", json={"voice": "shared"}))
    for name in ("First User", "Second User"):
        a_character(api, name=name, voice="shared")
    answer = api.delete("/voices/shared")
    refused(answer, 409)
    assert "First User" in answer.json()["detail"]
    assert "Second User" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["a/b", "upload", ".", "..", "a\nb", " a", "a ", "\t"])
def test_a_voice_that_no_address_could_name_is_refused(api: httpx.Client, key: str) -> None:
    assert refused(api.post("/voices", json={"voice": key}), 400).keys() == {"voice"}


def test_a_voice_cannot_refer_to_a_clip_that_is_not_there(api: httpx.Client) -> None:
    refused(api.post("/voices", json={"voice": "dangling", "audio_path": "0.wav"}), 404)
    refused(api.get("/voices/dangling"), 404)


# -- conversations -----------------------------------------------------------------------------


def test_a_conversation_is_made_changed_and_deleted(api: httpx.Client) -> None:
    mine = str(uuid4())
    given = {
        "conversation_id": mine,
        "title": "Tea",
        "active_characters": ["mark", "olivia"],
        "settings": {"temperature": 0.5, "top_p": None},
    }
    conversation = made(api.post("/conversations", json=given))
    assert conversation["settings"] == {"temperature": 0.5}
    assert conversation["active_characters"] == ["mark", "olivia"]
    refused(api.post("/conversations", json=given), 409)
    path = f"/conversations/{mine}"
    changes = {"title": None, "settings": {"model": "maker/model"}}
    changed = got(api.put(path, json=changes))
    assert changed["settings"] == {"temperature": 0.5, "model": "maker/model"}
    assert changed["title"] is None
    assert got(api.put(path, json={"settings": {"temperature": None}}))["settings"] == {
        "model": "maker/model"
    }
    assert got(api.get("/conversations", params={"limit": 1}))[0]["conversation_id"] == mine
    made(api.post("/messages", json=a_message(mine)))
    assert got(api.delete(path)) == {
        "success": True,
        "message": f"Conversation {mine} was deleted.",
    }
    refused(api.get(path), 404)
    refused(api.get("/messages", params={"conversation_id": mine}), 404)


def test_conversations_come_newest_activity_first_page_by_page(api: httpx.Client) -> None:
    first, second, third = (a_conversation(api) for _ in range(3))
    made(api.post("/messages", json=a_message(first)))

    def page(**params: int) -> list[str]:
        return [one["conversation_id"] for one in got(api.get("/conversations", params=params))]

    assert page(limit=3) == [first, third, second]
    assert page(limit=1, offset=1) == [third]
    assert page(offset=1_000_000) == []


def test_a_conversation_has_an_ordered_cast(api: httpx.Client) -> None:
    id = a_conversation(api)
    path = f"/conversations/{id}/characters"
    assert made(api.post(f"{path}/rosa"))["active_characters"] == ["rosa"]
    assert made(api.post(f"{path}/mark"))["active_characters"] == ["rosa", "mark"]
    assert made(api.post(f"{path}/rosa"))["active_characters"] == ["rosa", "mark"]
    cast = got(api.put(path, json=["olivia", "rosa"]))["active_characters"]
    assert cast == ["olivia", "rosa"]
    assert got(api.delete(f"{path}/olivia"))["success"] is True
    assert got(api.get(f"/conversations/{id}"))["active_characters"] == ["rosa"]
    refused(api.delete(f"{path}/olivia"), 404)
    refused(api.post(f"{path}/nobody"), 404)
    refused(api.put(path, json=["nobody"]), 404)
    refused(api.put(path, json=["rosa", "rosa"]), 400)
    assert refused(api.put(path, json=["rosa", 1]), 400).keys() == {"[1]"}
    refused(api.post(f"/conversations/{uuid4()}/characters/rosa"), 404)
    assert got(api.get(f"/conversations/{id}"))["active_characters"] == ["rosa"]


def test_a_conversation_without_a_title_is_named_by_the_first_words(api: httpx.Client) -> None:
    id = a_conversation(api)
    made(api.post("/messages", json=a_message(id, "What about tea?")))
    assert got(api.get(f"/conversations/{id}"))["title"] == "What about tea?"


# -- messages ----------------------------------------------------------------------------------


def test_messages_are_added_and_read_in_order(api: httpx.Client) -> None:
    id = a_conversation(api, "olivia")
    assert got(api.get("/messages/last", params={"conversation_id": id})) is None
    first = made(api.post("/messages", json=a_message(id, "One")))
    rest = made(
        api.post(
            "/messages/batch",
            json=[
                a_message(id, "Two", role="assistant", character_id="olivia"),
                a_message(id, "Three", source="voice", turn_id="t"),
                a_message(id, "Fo", role="assistant", interrupted=True, heard="F"),
            ],
        )
    )
    assert rest[0]["name"] == "Olivia"
    assert (rest[2]["interrupted"], rest[2]["heard"]) == (True, "F")
    everything = [first, *rest]
    assert all(UUID(one["message_id"]).version == 7 for one in everything)

    def listed(path: str, **params: int) -> list[Any]:
        found: list[Any] = got(api.get(path, params={"conversation_id": id, **params}))
        return found

    assert listed("/messages") == everything
    assert listed("/messages", limit=2, offset=1) == everything[1:3]
    assert listed("/messages/recent") == everything
    assert listed("/messages/recent", n=2) == everything[2:]
    assert got(api.get("/messages/last", params={"conversation_id": id})) == everything[-1]


def test_a_message_that_is_sent_again_is_there_once(api: httpx.Client) -> None:
    id = a_conversation(api)
    message = a_message(id, "Once", message_id=str(uuid4()))
    first = made(api.post("/messages", json=message))
    assert made(api.post("/messages", json=message)) == first
    assert made(api.post("/messages/batch", json=[message, a_message(id, "Two")]))[0] == first
    refused(api.post("/messages", json={**message, "content": "Twice"}), 409)
    refused(api.post("/messages", json={**message, "conversation_id": a_conversation(api)}), 409)
    found = got(api.get("/messages", params={"conversation_id": id}))
    assert [one["content"] for one in found] == ["Once", "Two"]


def test_the_same_message_sent_at_the_same_time_is_there_once(api: httpx.Client) -> None:
    id = a_conversation(api)
    sent = [a_message(id, str(n % 2), message_id=str(UUID(int=n // 4))) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: api.post("/messages", json=one), sent))
    kept = {one["message_id"]: one for one in got(api.get(f"/messages?conversation_id={id}"))}
    assert len(kept) == 10
    for message, answer in zip(sent, answers, strict=True):
        is_kept = kept[message["message_id"]]["content"] == message["content"]
        assert answer.status_code == (201 if is_kept else 409)


def test_a_batch_is_added_as_a_whole_or_not_at_all(api: httpx.Client) -> None:
    id = a_conversation(api)
    taken = made(api.post("/messages", json=a_message(id, "There")))["message_id"]
    good = a_message(id, "Good")
    twice = a_message(id, message_id=str(uuid4()))
    refused(api.post("/messages/batch", json=[good, a_message(str(uuid4()))]), 404)
    refused(api.post("/messages/batch", json=[good, a_message(id, "No", message_id=taken)]), 409)
    wrong = refused(api.post("/messages/batch", json=[twice, good, twice]), 400)
    assert wrong.keys() == {"[2].message_id"}
    wrong = refused(api.post("/messages/batch", json=[good, {**good, "role": "x"}, {}]), 400)
    assert wrong.keys() == {"[1].role", "[2].conversation_id", "[2].role", "[2].content"}
    refused(api.post("/messages/batch", json=[]), 400)
    assert len(got(api.get("/messages", params={"conversation_id": id}))) == 1


def test_messages_are_found_by_their_words(api: httpx.Client) -> None:
    id = a_conversation(api)
    words = ["Zebras are striped", "A striped zebra's coat", "zebras"]
    found = [made(api.post("/messages", json=a_message(id, content))) for content in words]

    def search(q: str, **params: int) -> list[Any]:
        page: list[Any] = got(api.get("/messages/search", params={"q": q, **params}))
        return page

    assert search("ZEBRAS") == [found[2], found[0]]
    assert search("striped zebras") == [found[0]]
    assert search("zebras", limit=1, offset=1) == [found[0]]
    assert search('"AND* NEAR(') == []
    assert refused(api.get("/messages/search", params={"q": ""}), 400).keys() == {"q"}
    assert refused(api.get("/messages/search"), 400).keys() == {"q"}


def test_what_was_heard_belongs_to_an_interrupted_message(api: httpx.Client) -> None:
    message = a_message(a_conversation(api), heard="Hel")
    assert refused(api.post("/messages", json=message), 400).keys() == {"heard"}


def test_a_message_refers_to_what_is_there(api: httpx.Client) -> None:
    id = a_conversation(api)
    refused(api.post("/messages", json=a_message(str(uuid4()))), 404)
    stranger = a_message(id, role="assistant", character_id="nobody")
    refused(api.post("/messages", json=stranger), 404)
    refused(api.post("/messages", json={**stranger, "name": "Nobody"}), 404)
    assert got(api.get("/messages", params={"conversation_id": id})) == []
    for path in ("/messages", "/messages/recent", "/messages/last"):
        refused(api.get(path, params={"conversation_id": str(uuid4())}), 404)


# -- what texts may hold -----------------------------------------------------------------------

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 \U0010ffff",
    "right to left": "\u202eمرحبا שלום\u202c",
    "controls": "\x01\x1f\x7f\u2028\ufffe",
    "a megabyte": "ä" * 500_000,
    "as a program": "<script>alert(1)</script>'; drop table messages; -- {{7*7}} %s",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_comes_back_as_it_was_sent(api: httpx.Client, text: str) -> None:
    id = a_conversation(api)
    made(api.post("/messages", json=a_message(id, text)))
    assert got(api.get("/messages/last", params={"conversation_id": id}))["content"] == text
    if len(text) < 100:
        character = a_character(api, name=text, extensions={text: text})
        assert character["name"] == text
        assert character["extensions"] == {text: text}


@pytest.mark.parametrize("half", [r"\u0000", r"\ud800", r"\udfff", r"\ude00\ud83d"])
def test_text_that_cannot_be_kept_is_refused_and_its_field_named(
    api: httpx.Client, half: str
) -> None:
    body = '{"name": "%s", "images": ["a", "%s"], "extensions": {"a": [{"b": "%s"}], "%s": 1}}'
    answer = api.post("/characters", content=body % (half, half, half, half))
    wrong = refused(answer, 400)
    assert {"name", "images[1]", "extensions.a[0].b"} < wrong.keys()
    assert len(wrong) == 4
    message = '{"conversation_id": "%s", "role": "user", "content": "x%s"}'
    answer = api.post("/messages", content=message % (a_conversation(api), half))
    assert refused(answer, 400).keys() == {"content"}


def test_a_path_or_a_query_with_nul_is_refused(api: httpx.Client) -> None:
    assert refused(api.get("/characters/search?query=%00"), 400).keys() == {"query"}
    assert refused(api.get("/messages/search?q=a%00"), 400).keys() == {"q"}
    for path in ("/characters/a%00b", "/voices/%00", "/conversations/%00"):
        refused(api.get(path), 404)
    refused(api.get("/characters/%ff"), 404)


# -- wrong bodies ------------------------------------------------------------------------------


def test_each_wrong_field_is_named(api: httpx.Client) -> None:
    body = {
        "name": "x" * 101,
        "system_prompt": 1,
        "voice": [],
        "images": ["a", 2, "b", 4],
        "is_active": "yes",
        "model": "",
        "temperature": 2.1,
        "extensions": [],
        "id": "mine",
        "surprise": True,
    }
    wrong = refused(api.post("/characters", json=body), 400)
    assert wrong.keys() == {*body, "images[1]"} - {"images"}
    assert "<= 2.0" in wrong["temperature"]
    assert "There are: name, system_prompt" in wrong["surprise"]


@pytest.mark.parametrize(
    ("extensions", "field"),
    [
        ({"llm": {"top_p": 2}}, "extensions.llm.top_p"),
        ({"llm": {"stop": "END"}}, "extensions.llm.stop"),
        ({"llm": {"stop": ["a", "b", "c", "d", "e"]}}, "extensions.llm.stop"),
        ({"llm": {"max_tokens": 0.5}}, "extensions.llm.max_tokens"),
        ({"llm": []}, "extensions.llm"),
        ({"tools": "dice"}, "extensions.tools"),
        ({"tools": ["dice", 1]}, "extensions.tools[1]"),
    ],
)
def test_extensions_that_aichat_reads_are_looked_at(
    api: httpx.Client, extensions: dict[str, Any], field: str
) -> None:
    body = {"name": "Olivia", "extensions": extensions}
    assert refused(api.post("/characters", json=body), 400).keys() == {field}
    id = a_character(api)["id"]
    changes = {"extensions": extensions}
    assert refused(api.put(f"/characters/{id}", json=changes), 400).keys() == {field}


def test_what_a_character_chooses_itself_is_kept(api: httpx.Client) -> None:
    own = {"llm": {"top_p": 0.5, "stop": ["END"], "seed": 7}, "tools": ["dice"], "other": {"x": 1}}
    assert a_character(api, extensions=own)["extensions"] == own


def test_each_wrong_setting_inside_a_conversation_is_named(api: httpx.Client) -> None:
    settings = {"temperature": -1, "max_tokens": 0, "top_p": "all", "strategy": "?"}
    answer = api.post("/conversations", json={"settings": settings, "title": ""})
    assert refused(answer, 400).keys() == {"title", *(f"settings.{name}" for name in settings)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "A body is missing"),
        (b"{", "truncated"),
        (b'{"name": "a"} x', "malformed"),
        (b'{"name": NaN}', "got `float`"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'"\xff"', "Expected `object`"),
        (b"\xff\xfe{", "malformed"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"name": "a", "extensions": ' + b'{"a":' * 3_000 + b"1" + b"}" * 3_001, "deep"),
    ],
)
def test_what_is_no_body_is_refused_in_words(api: httpx.Client, body: bytes, words: str) -> None:
    answer = api.post("/characters", content=body)
    refused(answer, 400)
    assert words in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    refused(api.post("/characters", content=b" " * 11_000_000), 413)
    long = a_message(a_conversation(api), "x" * 2_000_001)
    assert refused(api.post("/messages", json=long), 400).keys() == {"content"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/conversations?limit=0", "limit"),
        ("/conversations?limit=201", "limit"),
        ("/conversations?limit=many", "limit"),
        ("/conversations?offset=-1", "offset"),
        ("/conversations?offset=99999999999999999999999", "offset"),
        ("/messages?conversation_id=c", "conversation_id"),
        ("/messages/recent", "conversation_id"),
        (f"/messages/recent?conversation_id={NO_CONVERSATION}&n=0", "n"),
        ("/characters/search", "query"),
        ("/characters/search?query=" + "x" * 1_001, "query"),
    ],
)
def test_a_wrong_parameter_is_named(api: httpx.Client, path: str, field: str) -> None:
    assert refused(api.get(path), 400).keys() == {field}


@pytest.mark.parametrize("id", ["c", "..%2f..", "1", "%F0%9F%98%80", "x" * 5_000])
def test_an_id_that_is_no_uuid_names_no_conversation(api: httpx.Client, id: str) -> None:
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/characters/olivia")):
        refused(api.request(method, f"/conversations/{id}{rest}"), 404)


def test_errors_are_data_even_for_a_browser(api: httpx.Client) -> None:
    page = {"accept": "text/html,*/*"}
    refused(api.get("/characters/nobody", headers=page), 404)
    refused(api.get("/nothing/here", headers=page), 404)
    refused(api.patch("/characters", headers=page), 405)


class Broken(MemoryStorage):
    """Fails as it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def characters(self, *, active: bool | None = None) -> Any:
        raise self.error


def test_a_store_that_cannot_be_reached_is_a_503_to_be_tried_again() -> None:
    error = Unreachable("The database does not answer.", "Start it.")
    with a_server(storage=Broken(error)) as server:
        answer = httpx.get(f"{server.url}/api/characters", trust_env=False)
    refused(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


def test_a_fault_of_ours_is_told_without_what_it_was() -> None:
    error = RuntimeError("key sk-secret in /home/somebody/aichat.db")
    with a_server(storage=Broken(error)) as server:
        answer = httpx.get(f"{server.url}/api/characters", trust_env=False)
    refused(answer, 500)
    assert "secret" not in answer.text
    assert "/home" not in answer.text


# -- settings, models, plug-ins ----------------------------------------------------------------


def test_settings_are_what_new_conversations_begin_with(server: Server, api: httpx.Client) -> None:
    assert got(api.get("/settings")) == {
        "model": None,
        "temperature": None,
        "max_tokens": None,
        "top_p": None,
        "stop": None,
        "strategy": None,
        "max_replies": None,
        "auto": None,
        "auto_cap": None,
    }
    before = a_conversation(api)
    got(api.put("/settings", json={"model": "maker/model", "temperature": 0.25}))
    changed = got(api.put("/settings", json={"temperature": None, "max_tokens": 99}))
    assert changed == {
        "model": "maker/model",
        "temperature": None,
        "max_tokens": 99,
        "top_p": None,
        "stop": None,
        "strategy": None,
        "max_replies": None,
        "auto": None,
        "auto_cap": None,
    }
    assert got(api.get("/settings")) == changed
    wanted = {"model": "maker/model", "max_tokens": 99}
    with server.client("") as client:
        spoken = client.until("ready")["conversation_id"]
    written = httpx.post(f"{server.url}/messages", data={"text": "Hi"}, trust_env=False)
    written_id = written.headers["location"].rpartition("/")[2]
    for id in (a_conversation(api), spoken, written_id):
        assert got(api.get(f"/conversations/{id}"))["settings"] == wanted
    chosen = a_conversation(api, settings={"max_tokens": None, "top_p": 0.5})
    assert got(api.get(f"/conversations/{chosen}"))["settings"] == {
        "model": "maker/model",
        "top_p": 0.5,
    }
    assert got(api.get(f"/conversations/{before}"))["settings"] == {}
    got(api.put("/settings", json=dict.fromkeys(changed)))


def test_wrong_settings_are_named(api: httpx.Client) -> None:
    wrong = refused(api.put("/settings", json={"temperature": 3, "voice": "x"}), 400)
    assert wrong.keys() == {"temperature", "voice"}


def test_models_are_asked_for_once_in_a_while() -> None:
    llm = ListingLlm()
    with a_server(llm=llm) as server:

        def models() -> httpx.Response:
            return httpx.get(f"{server.url}/api/models", trust_env=False)

        llm.broken = True
        answer = models()
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        llm.broken, llm.lists = False, 0
        assert (
            got(models())
            == got(models())
            == [
                {
                    "id": "maker/large",
                    "name": "Large",
                    "context_length": 8_192,
                    "prompt_price": 3.0,
                    "completion_price": None,
                },
                {
                    "id": "small",
                    "name": "",
                    "context_length": None,
                    "prompt_price": None,
                    "completion_price": None,
                },
            ]
        )
        assert llm.lists == 1


def test_a_language_model_without_a_list_is_a_clear_503(api: httpx.Client) -> None:
    answer = api.get("/models")
    refused(answer, 503)
    assert "no list of models" in answer.json()["detail"]


def test_plugins_and_who_plays_which_part_are_listed(api: httpx.Client) -> None:
    listed = got(api.get("/plugins"))
    plugins = {one["name"]: one for one in listed["plugins"]}
    assert plugins["answering"] == {
        "name": "answering",
        "module": "aichat.stages.answering",
        "enabled": True,
    }
    llm = [part for part in listed["parts"] if part["part"] == "llm"]
    assert llm == [
        {
            "part": "llm",
            "name": "given",
            "state": "ready",
            "serving": True,
            "detail": "",
            "notice": "",
        }
    ]
