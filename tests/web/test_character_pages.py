"""The page Characters, as a browser without scripts uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import anyio
import httpx
import pytest
from attrs import define

from aichat.core import Character, Prompt, Voice
from aichat.core.backends import Usage
from aichat.core.testing.fakes import FakeLlm
from aichat.web.services import character_tryout
from support.chat import a_store
from support.html_forms import problem
from support.in_process_server import Server, a_server
from support.picture_files import PNG


@define
class CountingLlm(FakeLlm):
    """Tells what its replies took, as real ones do."""

    async def reply(self, prompt: Prompt) -> Any:
        async for piece in FakeLlm.reply(self, prompt):
            yield piece
        yield Usage(prompt_tokens=3, reply_tokens=4)


@pytest.fixture(scope="module")
def llm() -> CountingLlm:
    return CountingLlm()


@pytest.fixture(scope="module")
def server(llm: CountingLlm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AICHAT_DATA", str(tmp_path_factory.mktemp("data")))
        with a_server(llm=llm) as server:
            yield server


def stored(server: Server, id: str) -> Character:
    who: Character = anyio.run(server.store.character, id)
    return who


def filled(**fields: Any) -> dict[str, Any]:
    return {"name": "Nora", "system_prompt": "You are Nora.", "voice": "", "do": "save", **fields}


def test_a_character_is_made_with_a_voice_of_its_own(server: Server, browser: httpx.Client) -> None:
    form = filled(name="Ada Byron", voice="/new", new_voice="Female, quick", is_active="on")
    answer = browser.post("/characters/new", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/characters/ada-byron-001")
    who = stored(server, "ada-byron-001")
    assert (who.voice, who.is_active, who.temperature) == ("Ada Byron", True, None)
    voice: Voice = anyio.run(server.store.voice, "Ada Byron")
    assert voice.speaker_desc == "Female, quick"
    again = browser.post("/characters/new", data=form)
    assert stored(server, again.headers["location"].rpartition("/")[2]).voice == "Ada Byron 2"
    page = browser.get("/characters/ada-byron-001").text
    assert '<option value="Ada Byron" selected>' in page
    talk = browser.post("/characters/ada-byron-001/talk").headers["location"]
    assert "Ada Byron" in browser.get(talk).text


def test_each_wrong_field_is_named_beside_it_and_nothing_is_lost(browser: httpx.Client) -> None:
    form = filled(
        name=" ", temperature="9", talkativeness="chatty", extensions='{"a": ', greeting="Ahoy!"
    )
    answer = browser.post("/characters/new", data=form)
    assert answer.status_code == 400
    assert problem(answer.text, "name") == "Write something here."
    assert problem(answer.text, "temperature") == "At most 2.0, please."
    assert problem(answer.text, "talkativeness") == "Write a number from 0 to 1."
    assert problem(answer.text, "extensions").startswith("This is not JSON, line 1")
    for kept in ("You are Nora.", "Ahoy!", 'value="9"', "chatty"):
        assert kept in answer.text
    assert problem(
        browser.post("/characters/new", data=filled(temperature="warm")).text, "temperature"
    ) == ("Write a number.")
    assert "{" in problem(
        browser.post("/characters/new", data=filled(extensions="[1]")).text, "extensions"
    )
    gone = browser.post("/characters/new", data=filled(voice="nobody's"))
    assert problem(gone.text, "voice").startswith("This voice is no longer there.")


def test_what_the_page_does_not_show_of_a_character_stays(
    server: Server, browser: httpx.Client
) -> None:
    extensions = {"talkativeness": 0.3, "sillytavern": {"depth": [1, "ä"]}}
    who = Character(
        "", "Old One", "x", extensions=extensions, images=["https://elsewhere.example/a.png"]
    )
    made: Character = anyio.run(server.store.add_character, who)
    page = browser.get(f"/characters/{made.id}").text
    assert '<img src="https' not in page
    (written,) = re.findall(r'<textarea[^>]*name="extensions"[^>]*>(.*?)</textarea>', page, re.S)
    form = filled(
        name="Old One",
        talkativeness="0,5",
        extensions=unescape(written),
        images="https://elsewhere.example/a.png",
        temperature="0.7",
        model="maker/model",
    )
    assert browser.post(f"/characters/{made.id}", data=form).status_code == 303
    now = stored(server, made.id)
    assert now.extensions == {"talkativeness": 0.5, "sillytavern": {"depth": [1, "ä"]}}
    assert (now.temperature, now.model, now.is_active) == (0.7, "maker/model", False)
    assert list(now.images) == ["https://elsewhere.example/a.png"]


@pytest.mark.parametrize("odd", [None, True, {"a": 1}, [1]])
def test_a_talkativeness_that_is_none_does_not_stop_the_form(
    server: Server, browser: httpx.Client, odd: object
) -> None:
    who = Character("", "Odd", "x", extensions={"talkativeness": odd})
    made: Character = anyio.run(server.store.add_character, who)
    page = browser.get(f"/characters/{made.id}").text
    (shown,) = re.findall(r'<input[^>]*name="talkativeness"[^>]*>', page)
    assert 'value=""' in shown


def test_a_page_that_is_old_takes_nothing_of_a_character_back(
    server: Server, browser: httpx.Client
) -> None:
    begun = Character("", "Stale", "You were.", extensions={"a": 1, "talkativeness": 0.3})
    made: Character = anyio.run(server.store.add_character, begun)
    page = browser.get(f"/characters/{made.id}").text
    hidden = re.findall(r'<input type="hidden" name="(drawn [^"]*)" value="([^"]*)"', page)
    drawn = {name: unescape(value) for name, value in hidden}
    shown = {name.removeprefix("drawn "): value for name, value in drawn.items()}
    del shown["images"]  # there is none
    now = {"system_prompt": "You are.", "is_active": True, "extensions": {"a": 2}, "model": "m"}
    anyio.run(server.store.change_character, made.id, now)
    sent = {**shown, **drawn, "greeting": "Hi.\r\nYou."}
    assert browser.post(f"/characters/{made.id}", data=sent).status_code == 303
    kept = stored(server, made.id)
    assert (kept.greeting, kept.system_prompt, kept.is_active) == ("Hi.\nYou.", "You are.", True)
    assert (kept.extensions, kept.model) == ({"a": 2}, "m")
    browser.post(f"/characters/{made.id}", data={**shown, **drawn, "talkativeness": "1"})
    assert stored(server, made.id).extensions == {"a": 2, "talkativeness": 1}


def test_pictures_are_added_chosen_and_taken_out(server: Server, browser: httpx.Client) -> None:
    up = browser.post(
        "/characters/new", data=filled(name="Pic", do="upload"), files={"file": ("me.png", PNG)}
    )
    (address,) = re.findall(r'name="images" value="([^"]*)"', up.text)
    assert browser.get(address).headers["content-type"] == "image/webp"
    assert f'name="image_url" value="{address}" checked' in up.text
    kept = browser.post(
        "/characters/new", data=filled(name="Pic", images=address, image_url=address)
    )
    who = stored(server, kept.headers["location"].rpartition("/")[2])
    assert (who.image_url, list(who.images)) == (address, [address])
    assert address in browser.get("/characters").text
    out = browser.post(
        f"/characters/{who.id}",
        data=filled(images=address, image_url=address, do=f"remove {address}"),
    )
    assert 'name="images"' not in out.text
    bad = browser.post(
        "/characters/new", data=filled(do="upload"), files={"file": ("a.png", b"no")}
    )
    assert "no picture that can be read" in problem(bad.text, "file")


def test_a_character_answers_before_it_is_kept(
    server: Server, browser: httpx.Client, llm: CountingLlm
) -> None:
    before = len(anyio.run(server.store.characters))
    form = filled(name="Zed", greeting="Hi.", temperature="0.2", say="Who are you?", do="try")
    page = browser.post("/characters/new", data={**form, "aloud": "on"})
    assert "Zed here. I agree, of course." in page.text
    assert re.search(r'id="tryout-player"[^>]*src="/previews/[0-9a-f]{64}.wav"', page.text)
    prompt = llm.asked[-1]
    roles = [one.role for one in prompt.messages]
    assert roles == ["system", "user", "assistant", "user"], "many models want the user to begin"
    assert prompt.messages[0].content.startswith("You are Nora.\n\nYou are Zed, in a spoken")
    assert prompt.settings["temperature"] == 0.2
    assert prompt.settings["max_tokens"] == character_tryout.MOST_TOKENS
    streamed = browser.post("/characters/try", data=form)
    assert streamed.headers["content-type"].startswith("text/plain")
    assert streamed.text.startswith("Zed here.")
    spoken = browser.post("/characters/speak", data={**form, "text": "Ahoy. " * 90})
    assert spoken.headers["content-type"] == "audio/wav"
    assert len(anyio.run(server.store.characters)) == before


def test_thoughts_are_no_part_of_a_trial() -> None:
    headers = {"accept": "text/html"}
    with (
        a_server(llm=Thoughtful()) as server,
        httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=60) as browser,
    ):
        form = filled(name="Zed", say="Who are you?", do="try")
        streamed = browser.post("/characters/try", data=form)
        assert streamed.text == f"I greet. {character_tryout.ANEW}I am Zed."
        page = browser.post("/characters/new", data={**form, "say": "And now?"})
        assert "I am Zed." in page.text
        assert "I greet" not in page.text


class Thoughtful:
    """Thinks aloud, with no tag in front."""

    async def reply(self, prompt: Prompt) -> Any:
        for piece in ("I greet. ", "</think>", "\n\nI am Zed.<|im_end|>"):
            yield piece


def test_a_trial_that_cannot_be_answered_says_why(browser: httpx.Client) -> None:
    page = browser.post("/characters/new", data=filled(do="try", say=" "))
    assert problem(page.text, "say").startswith("There is nothing to answer.")
    as_data = {"accept": "application/json"}
    refused = browser.post("/characters/try", data=filled(say=" "), headers=as_data)
    assert refused.status_code == 400
    assert refused.json()["extra"][0]["field"] == "say"
    wrong = browser.post("/characters/try", data=filled(say="Hi", temperature="9"), headers=as_data)
    assert wrong.json()["extra"][0]["field"] == "temperature"


class Endless(FakeLlm):
    async def reply(self, prompt: Prompt) -> Any:
        while True:
            yield "word " * 50


class Mute(FakeLlm):
    async def reply(self, prompt: Prompt) -> Any:
        for nothing in ():
            yield nothing


class Broken(FakeLlm):
    """Breaks as no model should, before or after its first word."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    async def reply(self, prompt: Prompt) -> Any:
        for word in self.words:
            yield word
        raise ZeroDivisionError("never shown")


def test_a_reply_without_end_is_cut_and_one_without_words_is_told() -> None:
    as_data = {"accept": "application/json"}
    for llm, said, expected in (
        (Endless(), "Go on", None),
        (Mute(), "Hi", "The model wrote nothing."),
        (Broken(), "Hi", "The model failed (ZeroDivisionError)."),
    ):
        with a_server(llm=llm, storage=anyio.run(a_store)) as server:
            answer = httpx.post(
                f"{server.url}/characters/try",
                files={"file": ("", b"")},
                data=filled(say=said),
                headers=as_data,
                trust_env=False,
            )
            if expected:
                assert answer.status_code == 503
                assert expected in answer.json()["detail"]
            else:
                assert len(answer.text) == character_tryout.LONGEST_ANSWER


def test_a_model_that_breaks_in_mid_sentence_ends_with_a_line_that_says_so() -> None:
    with a_server(llm=Broken("Well, "), storage=anyio.run(a_store)) as server:
        answer = httpx.post(
            f"{server.url}/characters/try",
            files={"file": ("", b"")},
            data=filled(say="Hi"),
            trust_env=False,
        )
    assert answer.text.startswith("Well,  [The model failed (ZeroDivisionError). Try again")
    assert "never shown" not in answer.text


def test_characters_are_found_rested_copied_and_deleted(
    server: Server, browser: httpx.Client
) -> None:
    assert "No characters found." in browser.get("/characters?q=zzzz").text
    shown = browser.get("/characters", params={"q": "rosa"}).text
    assert "/characters/rosa" in shown
    assert "/characters/mark" not in shown
    assert browser.post("/characters/rosa/active").headers["location"] == "/characters"
    assert not stored(server, "rosa").is_active
    assert "Rosa rests." in browser.get("/characters").text
    browser.post("/characters/rosa/active", data={"is_active": "on"})
    assert stored(server, "rosa").is_active
    copied = browser.post("/characters/rosa/duplicate").headers["location"]
    assert stored(server, copied.rpartition("/")[2]).name == "Rosa (copy)"
    deleted_and_back(server, browser, copied)


def deleted_and_back(server: Server, browser: httpx.Client, address: str) -> None:
    """Delete a character, undo that, and delete it through the API, which asks nobody."""
    id = address.rpartition("/")[2]
    assert browser.post(f"{address}/delete").headers["location"] == "/characters"
    listed = browser.get("/characters").text
    assert "Rosa (copy) was deleted." in listed
    assert f'href="{address}"' not in listed
    for page in ("/", "/agents"):
        assert "Rosa (copy)" not in browser.get(page).text
    assert stored(server, id).name == "Rosa (copy)"  # conversations still have it
    assert browser.get(address).headers["location"] == "/characters"
    assert browser.post(f"{address}/restore").headers["location"] == "/characters"
    listed = browser.get("/characters").text
    assert "Rosa (copy) is back." in listed
    assert f'href="{address}"' in listed
    browser.post(f"{address}/restore")
    assert "cannot be undone any more" in browser.get("/characters").text
    browser.post(f"{address}/delete")
    browser.delete(f"/api/characters/{id}")
    assert browser.get(address).status_code == 404


def test_names_are_text_wherever_they_are_shown(server: Server, browser: httpx.Client) -> None:
    evil = "<script>alert(1)</script>\"'"
    made: Character = anyio.run(server.store.add_character, Character("", evil, evil))
    for path in ("/characters", f"/characters/{made.id}", "/voices"):
        assert "<script>alert" not in browser.get(path).text
    anyio.run(server.store.delete_character, made.id)
