"""What a card wants of cost and power is proposed, and holds only once somebody accepts it."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import Character
from aichat.web.services.cards import card_file
from support.character_cards import V2, coded, with_text
from support.in_process_server import Server
from support.picture_files import PNG

GREEDY = {
    **V2,
    "data": {
        **V2["data"],
        "name": "Greedy",
        "extensions": {
            "tools": ["roll_dice", "shell"],
            "llm": {"max_tokens": 90_000, "top_p": 1.0},
            "talkativeness": 1,
            "shell_plugin": {"allow": True},
            "proposed": {"model": "m/hidden"},
            "card": {"tags": ["x"]},
            "is_active": True,
            "aichat": {"model": "m/dearest", "temperature": 2.0, "is_active": True, "tools": ["x"]},
        },
    },
    "is_active": True,
}
PROPOSED = {
    "model": "m/dearest",
    "temperature": 2.0,
    "tools": ["roll_dice", "shell"],
    "llm": {"max_tokens": 90_000, "top_p": 1.0},
}


def by_rest(browser: httpx.Client, card: Any) -> Any:
    answer = browser.post(
        "/api/characters/import", files={"file": ("c.json", json.dumps(card).encode())}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_nothing_of_it_holds_when_it_comes_in(browser: httpx.Client) -> None:
    who = by_rest(browser, GREEDY)
    assert (who["model"], who["temperature"], who["is_active"]) == (None, None, False)
    assert who["extensions"]["proposed"] == PROPOSED
    assert set(who["extensions"]) == {"proposed", "card", "talkativeness"}
    assert who["extensions"]["card"]["extensions"]["shell_plugin"] == {"allow": True}
    assert who["id"] not in {one["id"] for one in browser.get("/api/characters/active").json()}


def test_by_rest_it_is_accepted_by_an_ordinary_put(browser: httpx.Client) -> None:
    who = by_rest(browser, GREEDY)
    here = f"/api/characters/{who['id']}"
    kept = {**who["extensions"], "tools": ["roll_dice"]}
    changed = browser.put(here, json={"model": "m/dearest", "extensions": kept}).json()
    assert (changed["model"], changed["extensions"]["tools"]) == ("m/dearest", ["roll_dice"])
    page = browser.get(f"/characters/{who['id']}").text
    assert 'value="model"' not in page.split("The card proposes")[1].split("</form>")[0]
    assert 'value="temperature"' in page


def test_in_the_page_it_is_accepted_one_by_one_without_scripts(
    browser: httpx.Client, server: Server
) -> None:
    answer = browser.post(
        "/characters/import", files={"file": ("c.png", with_text("chara", coded(GREEDY)))}
    )
    here = answer.headers["location"]
    page = browser.get(here).text
    for words in ("The card proposes", "m/dearest", "roll_dice, shell", "max_tokens 90000"):
        assert words in page
    box = page.split("The card proposes")[1].split("</form>")[0]
    assert "checked" not in box
    assert browser.post(f"{here}/proposals", data={"accept": ["tools", "llm"]}).status_code == 303
    who: Character = anyio.run(server.store.character, here.rpartition("/")[2])
    assert (who.model, who.temperature, who.is_active) == (None, None, False)
    assert who.extensions["tools"] == ["roll_dice", "shell"]
    assert who.extensions["llm"]["max_tokens"] == 90_000
    assert "proposed" not in who.extensions
    assert "The card proposes" not in browser.get(here).text
    written = browser.get(f"{here}/card.json").json()["data"]["extensions"]
    assert written["tools"] == ["roll_dice", "shell"]
    assert written["aichat"].get("model") is None


def test_all_of_it_can_be_dropped_and_does_not_come_back(browser: httpx.Client) -> None:
    who = by_rest(browser, GREEDY)
    here = f"/characters/{who['id']}"
    assert browser.post(f"{here}/proposals").status_code == 303
    now = browser.get(f"/api{here}").json()
    assert (now["model"], now["temperature"], now["extensions"].get("tools")) == (None, None, None)
    written = browser.get(f"{here}/card.json").json()
    assert card_file.read(json.dumps(written).encode()).fields["extensions"].get("proposed") is None


def test_what_waits_goes_out_with_the_card_and_is_proposed_again(browser: httpx.Client) -> None:
    who = by_rest(browser, GREEDY)
    written = browser.get(f"/characters/{who['id']}/card.json").json()
    again = by_rest(browser, written)
    assert again["extensions"]["proposed"] == PROPOSED
    assert written["data"]["extensions"]["shell_plugin"] == {"allow": True}


def test_another_programs_tools_are_no_proposal_and_no_reason_to_refuse(
    browser: httpx.Client,
) -> None:
    extensions = {"tools": {"theirs": 1}, "llm": "gpt-5", "aichat": {}}
    card = {**V2, "data": {**V2["data"], "extensions": extensions}}
    who = by_rest(browser, card)
    assert "proposed" not in who["extensions"]
    assert who["extensions"]["card"]["extensions"] == {"tools": {"theirs": 1}, "llm": "gpt-5"}
    assert "The card proposes" not in browser.get(f"/characters/{who['id']}").text


def test_a_cards_voice_names_no_clip_that_is_here(browser: httpx.Client, server: Server) -> None:
    clip = anyio.run(server.store.add_clip, b"private", "wav")
    voice = {"voice": "Thief", "audio_path": clip, "text_path": clip, "audio_tokens": [[1]]}
    card = {**V2, "data": {**V2["data"], "extensions": {"aichat": {"voice": voice}}}}
    made = anyio.run(server.store.voice, by_rest(browser, card)["voice"])
    assert (made.audio_path, made.text_path, made.audio_tokens) == (None, None, None)


@pytest.mark.parametrize(
    "ours", [{"temperature": 9}, {"temperature": True}, {"model": 3}, {"model": "x" * 300}]
)
def test_a_proposal_that_could_not_be_accepted_is_refused(browser: httpx.Client, ours: Any) -> None:
    card = {**V2, "data": {**V2["data"], "extensions": {"aichat": ours}}}
    answer = browser.post(
        "/api/characters/import", files={"file": ("c.json", json.dumps(card).encode())}
    )
    assert answer.status_code == 400


def test_a_character_made_by_hand_takes_part_at_once(browser: httpx.Client) -> None:
    made = browser.post("/api/characters", json={"name": "Hand"}).json()
    assert made["is_active"] is True
    assert browser.post("/characters/nobody/proposals").status_code == 404
    answer = browser.post("/api/characters/import", files={"file": ("c.png", PNG)})
    assert answer.json()["detail"].startswith("The file is a picture without a card in it.")
