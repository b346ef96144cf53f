"""Models for this machine, on the page Models: measured and downloaded when asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aichat.core import Backend, CannotStart, hookimpl
from aichat.core.registry.config import Part
from aichat.core.testing.fakes import FakeLlm
from aichat.toolkit.model_choices import ModelChoice, Rate, Recommended
from aichat.toolkit.weights import Weights
from support.in_process_server import Server, a_server

CHOICES = (
    ModelChoice(Weights("small", "me/small", ("*",), "model.bin"), 500, "MIT", "For a try."),
    ModelChoice(Weights("large", "me/large", ("*",), "model.bin"), 2_000, "Apache-2.0", "Good."),
)


class Local(FakeLlm):
    """Starts with a model that somebody has asked for, and with no other."""

    def __init__(self, model: str = "", download: bool = False) -> None:
        super().__init__()
        self.model, self.download = model, download
        self.recommended = Recommended(CHOICES, lambda: Rate(write=4_000, read=600_000))

    async def __aenter__(self) -> Local:
        if not self.model or not self.download:
            raise CannotStart("There is no model here.", "Download one.")
        return self

    async def __aexit__(self, *_: Any) -> None:
        pass


class Plugin:
    @hookimpl
    def llm_backend(self) -> Backend[Local]:
        return Backend("local", Local)


@pytest.fixture
def server() -> Iterator[Server]:
    parts = {"llm": Part(("local", "given"))}
    with a_server(plugins=[Plugin()], parts=parts, llm=FakeLlm()) as server:
        yield server


def row(page: str, name: str) -> str:
    found = re.search(rf"<tr>\s*<th[^>]*><code>{name}</code>.*?</tr>", page, re.S)
    assert found
    return found[0]


def test_models_show_their_size_licence_and_once_measured_their_speed(
    browser: httpx.Client,
) -> None:
    page = browser.get("/models").text
    for what in ("500 MB", "MIT", "For a try.", "Download", "not measured"):
        assert what in row(page, "small")
    answer = browser.post("/models", data={"do": "measure"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/models#here")
    page = browser.get("/models").text
    assert "about 8 tokens/s (faster than speech), first word after 0.25 s" in row(page, "small")
    assert "about 2 tokens/s (slower than speech" in row(page, "large")


def test_a_model_is_downloaded_and_used_by_one_press(browser: httpx.Client) -> None:
    assert "local</span> writes the answers" not in browser.get("/models").text
    assert browser.post("/models", data={"do": "fetch large"}).status_code == 303
    end = time.monotonic() + 60
    while not re.search(r">local</span> writes the answers", page := browser.get("/models").text):
        assert time.monotonic() < end, page
        time.sleep(0.05)
    browser.post("/models", data={"do": "fetch small"})
    assert "litestar aichat models download small" in browser.get("/models").text


def test_only_a_model_of_the_list_is_downloaded(browser: httpx.Client) -> None:
    browser.post("/models", data={"do": "fetch ../../etc"})
    assert "Choose one of the list." in browser.get("/models").text
