"""Character cards come in, and go out as they came."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import BadValue, Character, Voice
from aichat.web.services.cards import card_file
from aichat.web.services.uploads import painter
from support.audio_files import tone, wav
from support.character_cards import V2, charx, coded, with_text
from support.in_process_server import Server, a_server
from support.picture_files import JPEG, PNG, png_chunk


def test_a_charx_brings_its_card_and_its_main_picture() -> None:
    def icon(name: str, uri: str) -> dict[str, str]:
        return {"type": "icon", "name": name, "uri": uri, "ext": "png"}

    assets = [icon("smile", "embeded://a/smile.png"), icon("main", "embeded://a/main.png"), 3]
    card = {**V2, "data": {**V2["data"], "assets": assets}}
    files = {"card.json": json.dumps(card).encode(), "a/smile.png": JPEG, "a/main.png": PNG}
    for before in (b"", JPEG):  # some hide the zip behind a picture
        read = card_file.read(before + charx(files))
        assert (read.fields["name"], read.picture) == ("Zoë", PNG)
    del files["a/main.png"], files["a/smile.png"]
    assert card_file.read(charx(files)).picture is None


def test_a_card_becomes_a_character_that_is_told_all_of_it() -> None:
    fields = card_file.read(json.dumps(V2).encode()).fields
    assert fields["name"] == "Zoë"
    assert fields["greeting"] == "Welcome aboard, the user!"
    assert fields["system_prompt"] == (
        "Be brief.\n\nZoë is a pilot. the user is her co-pilot.\n\nPersonality: brave\n\n"
        "How it talks: <START>\nZoë: Roger."
    )
    assert fields["extensions"]["talkativeness"] == "0.5"
    assert "never in a prompt" not in fields["system_prompt"]


def test_what_came_in_goes_out_unchanged() -> None:
    fields = card_file.read(json.dumps(V2).encode()).fields
    written = card_file.write(Character("z", **fields), None)
    assert (written["spec"], written["spec_version"]) == ("chara_card_v3", "3.0")
    data = written["data"]
    assert data.pop("extensions") == {**V2["data"]["extensions"], "aichat": {}}
    assert data.pop("group_only_greetings") == []
    assert data == {key: value for key, value in V2["data"].items() if key != "extensions"}


def test_what_was_changed_here_goes_out_changed() -> None:
    fields = {**card_file.read(json.dumps(V2).encode()).fields, "system_prompt": "You are new."}
    data = card_file.write(Character("z", **{**fields, "greeting": None}), None)["data"]
    assert (data["description"], data["personality"], data["first_mes"]) == ("You are new.", "", "")
    assert data["tags"] == ["sky", "🎙"]


def test_a_character_with_a_voice_comes_back_as_it_was() -> None:
    who = Character(
        "a", "Ann", "You are Ann.", "Ann's", greeting="Hi.", model="m/x", temperature=0.5
    )
    voice = Voice("Ann's", speaker_desc="Low", scene_prompt="A room.", settings={"seed": 3})
    card = card_file.read(json.dumps(card_file.write(who, voice)).encode())
    back = {name: card.fields[name] for name in ("name", "system_prompt", "greeting")}
    assert back == {"name": "Ann", "system_prompt": "You are Ann.", "greeting": "Hi."}
    assert card.fields["extensions"]["proposed"] == {"model": "m/x", "temperature": 0.5}
    assert card.voice == {
        "voice": "Ann's", "speaker_desc": "Low", "scene_prompt": "A room.", "settings": {"seed": 3},
    }  # fmt: skip
    clone = card_file.write(who, Voice("Ann's", "clone", audio_path="x.wav"))
    assert "voice" not in clone["data"]["extensions"]["aichat"]


def test_a_card_of_version_1_is_read() -> None:
    card = card_file.read(json.dumps({**dict.fromkeys(card_file.V1, "x"), "name": "Old"}).encode())
    assert card.fields["name"] == "Old"
    assert card.fields["system_prompt"].startswith("x\n\nPersonality: x")


def test_a_picture_holds_a_card_and_the_newest_one_counts() -> None:
    newer = {**V2, "data": {**V2["data"], "name": "Newer"}}
    both = with_text("chara", coded(V2))
    both = both[:33] + png_chunk(b"tEXt", b"CCV3\0" + coded(newer)) + both[33:]
    assert card_file.read(both).fields["name"] == "Newer"
    assert card_file.read(with_text("Chara", coded(V2))).fields["name"] == "Zoë"
    again = card_file.in_picture(both, V2)
    assert again.count(b"chara\0") == again.count(b"ccv3\0") == 1
    assert card_file.read(again).fields["name"] == "Zoë"
    assert painter.decode(again).shape == painter.decode(PNG).shape
    assert painter.decode(card_file.plain_picture("#112233", 8))[0, 0].tolist() == [17, 34, 51, 255]


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"[]",
        b'{"name": "only"}',
        b'{"data": 3}',
        JPEG,
        PNG,
        PNG[:60],
        with_text("chara", b"!!!"),
        b"PK\x03\x04 and no more",
        charx({"else.json": b"{}"}),
        charx({"card.json": b"[]"}),
        charx({"card.json": bytes(12_000_001)}),
        with_text("chara", base64.b64encode(b"\xff\xfe")),
        with_text("chara", coded(V2))[:-30],
        with_text("chara", coded(V2)).replace(b"IDAT", b"IDAU"),
        b'{"name": "x", "description": "' + b"y" * 9_000_000 + b'"}',
    ],
)
def test_what_is_no_card_is_refused_in_words(file: bytes) -> None:
    with pytest.raises(BadValue) as told:
        card_file.read(file)
    assert told.value.field == "file"


# -- the page --------------------------------------------------------------------------------------


def imported(browser: httpx.Client, file: bytes) -> httpx.Response:
    return browser.post("/characters/import", files={"file": ("card", file)})


def test_a_card_comes_in_with_its_picture_and_goes_out_in_it(
    browser: httpx.Client,
    server: Server,
) -> None:
    ours = {"voice": {"voice": "Zoë's", "speaker_desc": "Quick"}, "temperature": 0.3}
    data = {**V2["data"], "extensions": {**V2["data"]["extensions"], "aichat": ours}}
    answer = imported(browser, with_text("chara", coded({**V2, "data": data})))
    assert answer.headers["location"] == "/characters/zoe-001"
    who: Character = anyio.run(server.store.character, "zoe-001")
    assert (who.voice, who.temperature, list(who.images)) == ("Zoë's", None, [who.image_url])
    assert (who.is_active, who.extensions["proposed"]) == (False, {"temperature": 0.3})
    assert browser.get(who.image_url or "").status_code == 200
    out = browser.get("/characters/zoe-001/card.png")
    assert out.headers["content-disposition"] == 'attachment; filename="zoe.png"'
    again = imported(browser, out.content)
    twin: Character = anyio.run(
        server.store.character, again.headers["location"].rpartition("/")[2]
    )
    assert (twin.system_prompt, twin.voice) == (who.system_prompt, "Zoë's")
    assert twin.extensions == {
        **who.extensions,
        "card": {**who.extensions["card"], "group_only_greetings": []},
    }
    assert browser.get("/characters/zoe-001/card.json").json()["data"]["name"] == "Zoë"
    assert painter.decode(browser.get("/characters/mark/card.png").content).shape == (256, 256, 4)


def test_a_cloned_voice_goes_out_with_its_clip_and_comes_in_elsewhere(
    browser: httpx.Client,
    server: Server,
) -> None:
    store = server.store
    audio = anyio.run(store.add_clip, wav(tone(1.0)), "wav")
    words = anyio.run(store.add_clip, b"La la.", "txt")
    settings = {"consent": "2026-01-01T00:00:00+00:00"}
    cloned = Voice("Ann's", "clone", audio_path=audio, text_path=words, settings=settings)
    anyio.run(store.add_voice, cloned)
    who = anyio.run(store.add_character, Character("", "Ann", "You are Ann.", "Ann's"))
    card = browser.get(f"/characters/{who.id}/card.json").content
    with a_server() as other:
        elsewhere = httpx.Client(base_url=other.url, trust_env=False)
        assert imported(elsewhere, card).headers["location"] == "/characters/ann-001"
        assert imported(elsewhere, card).headers["location"] == "/characters/ann-002"
        [voice] = anyio.run(other.store.voices)
        assert (voice.voice, voice.method, voice.settings) == ("Ann's", "clone", settings)
        assert anyio.run(other.store.clip, voice.text_path) == b"La la."
        assert anyio.run(other.store.clip, voice.audio_path)[:4] == b"RIFF"
        refused = json.loads(card)
        refused["data"]["extensions"]["aichat"]["voice"]["clip"]["consent"] = None
        answer = imported(elsewhere, json.dumps(refused).encode())
        assert answer.headers["location"] == "/characters"
        assert len(anyio.run(other.store.characters)) == 5
        elsewhere.close()


@pytest.mark.parametrize(
    "card",
    [
        {"name": "", "description": "x"},
        {"name": "x" * 200, "description": "x"},
        {"name": "\0", "description": "x"},
        {"data": {"name": "x", "extensions": {"aichat": {"temperature": "hot"}}}},
        {"data": {"name": "x", "extensions": {"aichat": {"voice": {"pitch": 3}}}}},
    ],
)
def test_a_card_with_odd_fields_is_refused_and_leaves_nothing(
    browser: httpx.Client, server: Server, card: Any
) -> None:
    before = len(anyio.run(server.store.characters)), len(anyio.run(server.store.voices))
    answer = imported(browser, json.dumps(card).encode())
    assert (answer.status_code, answer.headers["location"]) == (303, "/characters")
    assert "toast" in answer.headers["set-cookie"]
    assert (len(anyio.run(server.store.characters)), len(anyio.run(server.store.voices))) == before


def test_without_a_file_nothing_is_imported(browser: httpx.Client) -> None:
    answer = browser.post("/characters/import", files={"file": ("", b"")})
    assert answer.headers["location"] == "/characters"
