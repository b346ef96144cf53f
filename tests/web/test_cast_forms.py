"""The forms of the cast panel, as a browser without scripts sends them, and who is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from support.in_process_server import Server

OLIVIA, MARK, ROSA = "olivia", "mark", "rosa"


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


@pytest.fixture
def id(http: httpx.Client) -> str:
    made = http.post("/api/conversations", json={"active_characters": [OLIVIA, MARK]})
    return str(made.json()["conversation_id"])


def do(http: httpx.Client, id: str, what: str, **fields: str) -> httpx.Response:
    return http.post(f"/c/{id}/cast", data={"do": what, **fields})


def kept(http: httpx.Client, id: str) -> tuple[list[str], dict[str, object]]:
    found = http.get(f"/api/conversations/{id}").json()
    return found["active_characters"], found["settings"]


@pytest.mark.parametrize(
    ("what", "cast"),
    [
        (f"up {MARK}", [MARK, OLIVIA]),
        (f"up {OLIVIA}", [OLIVIA, MARK]),
        (f"down {OLIVIA}", [MARK, OLIVIA]),
        (f"down {MARK}", [OLIVIA, MARK]),
        (f"remove {OLIVIA}", [MARK]),
        (f"add {ROSA}", [OLIVIA, MARK, ROSA]),
        (f"order {MARK},{OLIVIA}", [MARK, OLIVIA]),
        (f"order {MARK},nobody", [MARK, OLIVIA]),
    ],
)
def test_a_form_changes_who_is_here_and_leads_back(
    http: httpx.Client, id: str, what: str, cast: list[str]
) -> None:
    answer = do(http, id, what)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/c/{id}")
    assert kept(http, id)[0] == cast


def test_rules_are_kept_and_shown(http: httpx.Client, id: str) -> None:
    do(http, id, "rules", strategy="round_robin", max_replies="2", auto="on", auto_cap="4")
    assert kept(http, id)[1] == {
        "strategy": "round_robin", "max_replies": 2, "auto": True, "auto_cap": 4,
    }  # fmt: skip
    page = http.get(f"/c/{id}").text
    assert '<option value="round_robin" selected>' in page
    assert 'name="auto" checked' in page
    do(http, id, "rules", strategy="all", max_replies="", auto_cap="")
    assert kept(http, id)[1] == {"strategy": "all"}


def test_an_old_page_takes_no_rule_back(http: httpx.Client, id: str) -> None:
    drawn = dict(re.findall(r'name="(drawn [^"]*)" value="([^"]*)"', http.get(f"/c/{id}").text))
    assert drawn == {
        "drawn strategy": "all", "drawn max_replies": "", "drawn auto": "", "drawn auto_cap": "6",
    }  # fmt: skip
    do(http, id, "rules", strategy="first", auto="on")
    do(http, id, "rules", strategy="all", max_replies="2", auto_cap="6", **drawn)
    assert kept(http, id)[1] == {"strategy": "first", "auto": True, "max_replies": 2}


def test_who_is_mute_is_kept_and_shown(http: httpx.Client, id: str) -> None:
    do(http, id, f"mute {MARK}")
    assert kept(http, id)[1]["muted"] == [MARK]
    assert "Unmute Mark" in http.get(f"/c/{id}").text
    do(http, id, f"unmute {MARK}")
    assert "muted" not in kept(http, id)[1]


@pytest.mark.parametrize(
    ("what", "fields", "code"),
    [
        ("", {}, 400),
        ("dance", {}, 400),
        ("up nobody", {}, 400),
        (f"mute {ROSA}", {}, 400),
        ("add nobody", {}, 404),
        ("rules", {"max_replies": "0"}, 400),
        ("rules", {"strategy": "loudest"}, 400),
        ("rules", {"auto_cap": "many"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_with_words_and_changes_nothing(
    http: httpx.Client, id: str, what: str, fields: dict[str, str], code: int
) -> None:
    before = kept(http, id)
    answer = do(http, id, what, **fields)
    assert answer.status_code == code
    assert answer.json()["detail"]
    assert kept(http, id) == before


def test_everybody_in_the_conversation_is_told(server: Server, http: httpx.Client, id: str) -> None:
    with server.client(f"conversation_id={id}&view=html", max_queue=None) as page:
        page.until("ready")
        do(http, id, f"mute {MARK}")
        assert page.until("cast")["settings"] == {"muted": [MARK]}
        html = page.until("html")["html"]
        assert "Unmute Mark" in html
        assert 'id="cast-tools"' in html
        page.send("settings", muted=None, strategy="first")  # as another tab, or a program, does
        assert page.until("cast")["settings"] == {"strategy": "first"}
        assert '<option value="first" selected>' in page.until("html")["html"]


def test_who_is_asked_speaks(server: Server, http: httpx.Client, id: str) -> None:
    with server.client(f"conversation_id={id}") as client:
        client.until("ready")
        assert do(http, id, f"ask {MARK}").status_code == 303
        assert client.until("turn_started")["speakers"] == [MARK]
