"""A better recogniser that could not start is fetched by a button of the page, in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from attrs import evolve

from aichat.core.registry.config import Part
from support.chat import AT_EASE
from support.fake_hugging_face import Hub, a_hub
from support.in_process_server import Client, Server, a_server
from support.tiny_whisper import build

BUTTONS = ("Fetch base.en (145 MB)", "Fetch tiny.en (75 MB)")
TINY = "Systran/faster-whisper-tiny.en"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("aichat.toolkit.downloads.PAUSE_SECONDS", 0.01)
    with a_hub() as hub:
        hub.use(monkeypatch, tmp_path / "hub")
        yield hub


@pytest.fixture
def server(hub: Hub) -> Iterator[Server]:
    settings = {"faster_whisper": {"download": False, "device": "cpu"}}
    parts = {"stt": Part(("faster_whisper", "given"), settings)}
    with a_server(evolve(AT_EASE, max_silence_s=3_600), parts=parts) as server:
        yield server


def press(server: Server, model: str) -> httpx.Response:
    form = {"part": "stt", "name": "faster_whisper", "model": model}
    headers = {"HX-Request": "true", "Origin": server.url}
    return httpx.post(f"{server.url}/settings/fetch", data=form, headers=headers, trust_env=False)


def until(client: Client, *words: str, absent: str = "never") -> str:
    """Read the list of candidates until it has the words, and return it."""
    while True:
        html: str = client.until("html")["html"]
        if "#statuses" in html and all(one in html for one in words) and absent not in html:
            return html


def test_it_is_fetched_where_the_page_says_that_it_is_missing(
    hub: Hub, server: Server, tmp_path: Path
) -> None:
    page = httpx.get(f"{server.url}/c/c", trust_env=False).text
    assert page.count('id="statuses"') == 1
    with server.client("conversation_id=c&view=html") as client:
        assert "may not be downloaded" in until(client, *BUTTONS)
        assert press(server, "large-v3").status_code == 400
        assert press(server, "tiny.en").is_success
        failed = until(client, "could not be downloaded", *BUTTONS)
        assert "Connect once, or set [stt.faster_whisper] model to a folder." in failed
        hub.add(TINY, build(tmp_path / "parrot", "hello olivia"))
        hub.held.clear()
        assert press(server, "tiny.en").is_success
        assert "Fetch" not in until(client, "weights: ", "Stop")
        assert press(server, "base.en").status_code == 400, "one is on its way"
        hub.held.set()
        until(client, absent="faster_whisper")
    statuses = httpx.get(f"{server.url}/api/plugins", trust_env=False).json()["parts"]
    assert [one["name"] for one in statuses if one["part"] == "stt" and one["serving"]] == [
        "faster_whisper"
    ]
    assert BUTTONS[0] not in httpx.get(f"{server.url}/c/c", trust_env=False).text
