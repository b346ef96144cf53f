"""The page Voices, as a browser without scripts uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import BackendFailed, Voice
from aichat.core.backends import ListedVoice, ReferenceClip
from aichat.core.testing.fakes import FakeStt, FakeTts
from aichat.web.pages.voice_form import with_stock
from support.audio_files import tone, wav
from support.html_forms import problem
from support.in_process_server import Server, a_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AICHAT_DATA", str(tmp_path_factory.mktemp("data")))
        with a_server(stt=FakeStt("The quick brown fox.")) as server:
            yield server


def hidden(page: str, name: str) -> list[str]:
    return [unescape(one) for one in re.findall(rf'name="{name}" value="([^"]*)"', page)]


def stored(server: Server, key: str) -> Voice:
    voice: Voice = anyio.run(server.store.voice, key)
    return voice


def described(**fields: Any) -> dict[str, Any]:
    return {
        "voice": "",
        "speaker_desc": "Female, warm",
        "scene_prompt": "",
        "text": "Hi.",
        **fields,
    }


def test_a_voice_is_described_heard_and_kept(server: Server, browser: httpx.Client) -> None:
    assert browser.get("/voices/describe").status_code == 200
    first = browser.post("/voices/describe", data=described(do="hear"))
    assert first.status_code == 200
    (take,) = hidden(first.text, "take")
    key = take.split(" ")[1]
    assert browser.get(f"/previews/{key}.wav").headers["content-type"] == "audio/wav"
    assert "Female, warm" in first.text
    second = browser.post("/voices/describe", data=described(do="another", take=[take], seed=""))
    takes = hidden(second.text, "take")
    assert [one.split(" ")[0] for one in takes] == ["", "1"]
    kept = browser.post(
        "/voices/describe", data=described(do="save", voice="Warm one", take=takes, seed="1")
    )
    assert (kept.status_code, kept.headers["location"]) == (303, "/voices")
    voice = stored(server, "Warm one")
    assert (voice.speaker_desc, voice.settings) == ("Female, warm", {"seed": 1})


@pytest.mark.parametrize(
    ("asked", "status", "piece"),
    [
        ("bytes=0-1", 206, slice(0, 2)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-4", 206, slice(-4, None)),
        ("bytes=8-99999999999", 206, slice(8, None)),
        ("bytes=99999999999-", 416, slice(0, 0)),
        ("bytes=5-2", 416, slice(0, 0)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_a_sound_is_sent_in_pieces_to_who_asks_for_one(
    browser: httpx.Client, asked: str, status: int, piece: slice
) -> None:
    page = browser.post("/voices/describe", data=described(do="hear")).text
    address = f"/previews/{hidden(page, 'take')[0].split(' ')[1]}.wav"
    whole = browser.get(address)
    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    answer = browser.get(address, headers={"range": asked})
    assert (answer.status_code, answer.content) == (status, whole.content[piece])
    if status == 206:
        first, last, size = map(int, re.findall(r"[0-9]+", answer.headers["content-range"]))
        assert whole.content[first : last + 1] == answer.content
        assert size == len(whole.content)


def test_takes_of_other_words_are_marked(browser: httpx.Client) -> None:
    first = browser.post("/voices/describe", data=described(do="hear"))
    takes = hidden(first.text, "take")
    changed = described(do="another", take=takes, seed="", speaker_desc="Male, deep")
    second = browser.post("/voices/describe", data=changed).text
    assert second.count("from an earlier text") == 1


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(browser: httpx.Client) -> None:
    answer = browser.post("/voices/describe", data=described(do="save"))
    assert answer.status_code == 400
    assert problem(answer.text, "voice").startswith("It needs a name.")
    assert "Female, warm" in answer.text
    slash = browser.post("/voices/describe", data=described(do="save", voice="a/b")).text
    assert "cannot be a voice" in problem(slash, "voice")
    long = browser.post("/voices/describe", data=described(do="save", voice="x" * 101)).text
    assert problem(long, "voice") == "At most 100 characters, please."
    mute = browser.post("/voices/describe", data=described(do="hear", text="…")).text
    assert "nothing to say" in problem(mute, "text")
    assert browser.post("/voices/describe", data=described(do="hear", text="y" * 301)).is_error


def test_a_voice_is_cloned_written_down_and_kept_with_consent(
    server: Server, browser: httpx.Client
) -> None:
    form = {"voice": "Me", "transcript": "", "text": "Hi."}
    tried = browser.post(
        "/voices/clone", data={**form, "do": "hear"}, files={"file": ("me.wav", wav(tone()))}
    )
    assert tried.status_code == 200, tried.text
    (path,) = hidden(tried.text, "audio_path")
    assert "The quick brown fox." in tried.text
    assert browser.get(f"/clips/{path}").headers["content-type"] == "audio/wav"
    form |= {"audio_path": path, "transcript": "The quick red fox."}
    refused = browser.post("/voices/clone", data={**form, "do": "save"}, files={"file": ("", b"")})
    assert "consent is missing" in problem(refused.text, "consent")
    assert hidden(refused.text, "audio_path") == [path]
    kept = browser.post("/voices/clone", data={**form, "do": "save", "consent": "on"})
    assert kept.status_code == 303, kept.text
    voice = stored(server, "Me")
    assert (voice.method, voice.audio_path) == ("clone", path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", voice.settings["consent"])
    assert anyio.run(server.store.clip, voice.text_path) == b"The quick red fox."
    assert "The quick red fox." in browser.get("/voices/of/Me").text


def test_without_a_clip_there_is_nothing_to_clone(browser: httpx.Client) -> None:
    form = {"voice": "Nobody", "consent": "on", "text": "Hi.", "do": "save"}
    answer = browser.post("/voices/clone", data=form)
    assert problem(answer.text, "file").startswith("There is no clip yet.")
    broken = browser.post("/voices/clone", data=form, files={"file": ("a.wav", b"nothing")})
    assert "not audio of a known format" in problem(broken.text, "file")


def test_a_voice_is_changed_and_what_it_is_not_asked_about_stays(
    server: Server, browser: httpx.Client
) -> None:
    anyio.run(server.store.add_voice, Voice("ä & b", settings={"espeak": {"pitch": 9}, "seed": 4}))
    page = browser.get("/voices/of/%C3%A4%20%26%20b")
    assert page.status_code == 200
    assert hidden(page.text, "seed") == ["4"]
    (action,) = re.findall(r'id="voice-form"[^>]*action="([^"]*)"', page.text)
    form = described(do="save", seed="4", speaker_desc="Old, slow")
    assert browser.post(unescape(action), data=form).status_code == 303
    voice = stored(server, "ä & b")
    assert voice.speaker_desc == "Old, slow"
    assert voice.settings == {"espeak": {"pitch": 9}, "seed": 4}


def test_of_two_tabs_each_saves_only_what_was_changed_in_it(
    server: Server, browser: httpx.Client
) -> None:
    seen = {"speaker_desc": "Young", "scene_prompt": "A hall"}
    anyio.run(server.store.add_voice, Voice("both", **seen, settings={"seed": 4}))
    page = browser.get("/voices/of/both").text
    drawn = {f"drawn {name}": hidden(page, f"drawn {name}")[0] for name in (*seen, "seed")}
    assert drawn == {
        "drawn speaker_desc": "Young",
        "drawn scene_prompt": "A hall",
        "drawn seed": "4",
    }
    tab = {**described(do="save", seed="4"), **seen, **drawn}
    for change in ({"scene_prompt": "A yard"}, {"speaker_desc": "Old"}, {"seed": "5"}, {}):
        assert browser.post("/voices/of/both", data={**tab, **change}).status_code == 303
    voice = stored(server, "both")
    assert (voice.speaker_desc, voice.scene_prompt) == ("Old", "A yard")
    assert voice.settings == {"seed": 5}


def test_a_voice_in_use_is_not_deleted(server: Server, browser: httpx.Client) -> None:
    anyio.run(server.store.add_voice, Voice("used"))
    anyio.run(server.store.change_character, "mark", {"voice": "used"})
    assert "Mark uses it" in browser.get("/voices/of/used").text
    answer = browser.post("/voices/of/used/delete")
    assert answer.headers["location"] == "/voices/of/used"
    assert "Mark" in browser.get("/voices/of/used").text
    anyio.run(server.store.change_character, "mark", {"voice": None})
    assert browser.post("/voices/of/used/delete").headers["location"] == "/voices"
    assert browser.get("/voices/of/used").status_code == 404


def test_voices_of_the_library_say_the_same_and_are_compared(
    server: Server, browser: httpx.Client
) -> None:
    for name in ("left", "right"):
        anyio.run(server.store.add_voice, Voice(name))
    first = browser.post("/voices/hear", data={"voice": "left", "text": "Hello."}).text
    second = browser.post(
        "/voices/hear", data={"voice": "right", "text": "Hello.", "take": hidden(first, "take")}
    ).text
    assert [one.split(" ")[2] for one in hidden(second, "take")] == ["left", "right"]
    assert "A: left" in second
    assert "B: right" in second
    lost = browser.post("/voices/hear", data={"voice": "nobody", "text": "Hello."})
    assert lost.status_code == 400
    assert "The voice could not be played." in lost.text


def test_a_place_that_is_none_leads_to_the_library(browser: httpx.Client) -> None:
    assert browser.get("/voices/sing").headers["location"] == "/voices"
    assert browser.post("/voices/sing").headers["location"] == "/voices"


class Learning(FakeTts):
    """Has to get to know a voice, by a clip that is clear."""

    def knows(self, voice: Voice) -> bool:
        return voice.audio_tokens is not None

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> list[list[int]]:
        assert reference
        assert reference.rate == 24_000
        if reference.transcript == "Unclear.":
            raise BackendFailed("The clip is too noisy.", "Record it again.")
        return [[len(reference.transcript), 2]]


def test_an_engine_gets_to_know_a_clone_when_it_is_made() -> None:
    form = {"voice": "Known", "transcript": "Hello.", "text": "Hi.", "consent": "on", "do": "save"}
    with a_server(tts=Learning(abilities=frozenset({"clone"}))) as server:
        address = f"{server.url}/voices/clone"
        files = {"file": ("me.wav", wav(tone()))}
        page = httpx.get(address, trust_env=False).text
        assert "cannot clone a voice" not in page
        assert "no other takes" in page
        described = httpx.get(f"{server.url}/voices/describe", trust_env=False).text
        assert "only picks a voice of its own" in described
        kept = httpx.post(address, data=form, files=files, trust_env=False, timeout=60)
        assert kept.status_code == 303
        assert stored(server, "Known").audio_tokens == [[6, 2]]
        form |= {"voice": "Unclear", "transcript": "Unclear."}
        told = httpx.post(address, data=form, files=files, trust_env=False, timeout=60)
        assert "too%20noisy" in told.headers["set-cookie"]
        assert stored(server, "Unclear").audio_tokens is None


class TtsWithVoices(FakeTts):
    """A voice engine that brings voices of its own."""

    def listed_voices(self) -> list[ListedVoice]:
        return [ListedVoice("emma", "en-gb", "woman", "British"), ListedVoice("ivo", "de", "man")]


def test_one_of_the_voices_of_the_engine_is_chosen_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICHAT_DATA", str(tmp_path))
    with a_server(tts=TtsWithVoices()) as server, httpx.Client(base_url=server.url) as browser:
        page = browser.get("/voices/describe").text
        assert "emma (woman, British)" in page
        assert "ivo (man, de)" in page
        options = re.findall(r'<option value="([^"]*)"', page)
        engine, emma = options[0], options[1]
        assert emma == f"{engine} emma"
        browser.post("/voices/describe", data=described(do="save", voice="Em", stock=emma))
        assert stored(server, "Em").settings == {engine: "emma"}
        assert f'value="{emma}" selected' in browser.get("/voices/of/Em").text
        browser.post("/voices/of/Em", data=described(do="save", stock=engine))
        assert stored(server, "Em").settings == {}


def test_a_chosen_voice_leaves_other_settings_as_they_are() -> None:
    settings = {"seed": 1, "kokoro": {"voice": "a", "speed": 1.2}}
    assert with_stock(settings, "") == settings
    assert with_stock(settings, "kokoro b") == {**settings, "kokoro": {"voice": "b", "speed": 1.2}}
    assert with_stock(settings, "kokoro") == {"seed": 1, "kokoro": {"speed": 1.2}}
    assert with_stock(settings, "piper joe") == {**settings, "piper": "joe"}
