"""The page Models, as a browser without scripts uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import BackendFailed, Conversation, ListedModel
from aichat.core.testing.fakes import FakeLlm
from support.chat import Given, a_store
from support.html_forms import problem
from support.in_process_server import Server, a_server

MODELS = [
    ListedModel("maker/large", "Large", 200_000, 3.0, 15.0),
    ListedModel("maker/tiny", "Tiny", 8_192, 0.0, 0.0),
    ListedModel("other/<b>", "Other <b>", None, None, None),
    *(ListedModel(f"many/{n}", f"Many {n}", 4_096, 0.001, 0.5) for n in range(60)),
]


class Listing(FakeLlm):
    async def models(self) -> list[ListedModel]:
        return MODELS


class Unwilling(FakeLlm):
    async def models(self) -> list[ListedModel]:
        raise BackendFailed("The provider is away.", "Try again later.")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(llm=Listing()) as server:
        yield server


def set_to(server: Server) -> Any:
    settings: dict[str, Any] = anyio.run(server.store.settings)
    return settings


def test_models_are_listed_with_what_they_cost_and_read(browser: httpx.Client) -> None:
    page = browser.get("/models").text
    row = re.search(r"<tr>\s*<th[^>]*>Large.*?</tr>", page, re.S)
    assert row
    for told in ("maker/large", "200,000 tokens", "$3.00", "$15.00"):
        assert told in row[0]
    assert re.search(r"<tr>\s*<th[^>]*>Tiny.*?free.*?</tr>", page, re.S)
    assert "Other &lt;b&gt;" in page
    assert "63 of 63 models" in page
    assert page.count("<tr>") == 41
    more = unescape(re.findall(r'href="(/models\?[^"]*n=[^"]*)"', page)[0])
    assert browser.get(more).text.count("<tr>") == 64


def test_models_are_found_by_words(browser: httpx.Client) -> None:
    page = browser.get("/models", params={"q": "MAKER tiny"}).text
    assert "1 of 63 models match “MAKER tiny”" in page
    assert "No models found." in browser.get("/models", params={"q": "zzz"}).text


def test_a_model_is_chosen_for_all_new_conversations(server: Server, browser: httpx.Client) -> None:
    answer = browser.post("/models", data={"do": "use maker/tiny"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/models")
    assert set_to(server)["model"] == "maker/tiny"
    page = browser.get("/models").text
    assert "maker/tiny writes from now on." in page
    assert 'class="is-chosen"' in page
    browser.post("/models", data={"do": "reset model"})
    assert "model" not in set_to(server)


def test_parameters_are_set_told_apart_from_the_default_and_taken_back(
    server: Server, browser: httpx.Client
) -> None:
    form = {"model": "", "temperature": "0,4", "top_p": "", "max_tokens": "300", "stop": "A\n\nB"}
    assert browser.post("/models", data=form).status_code == 303
    kept = set_to(server)
    assert (kept["temperature"], kept["max_tokens"], "top_p" in kept) == (0.4, 300, False)
    page = browser.get("/models").text
    assert 'value="0.4"' in page
    assert "Default: what the model&#39;s provider uses" in page
    browser.post("/models", data={"do": "reset temperature"})
    assert "temperature" not in set_to(server)
    assert set_to(server)["max_tokens"] == 300
    browser.post("/models", data={"do": "reset max_tokens"})


def test_a_conversation_has_settings_of_its_own(server: Server, browser: httpx.Client) -> None:
    anyio.run(server.store.change_settings, {"temperature": 0.5})
    anyio.run(
        server.store.add_conversation,
        Conversation("own", "About tea", settings={"temperature": 0.5, "strategy": "first"}),
    )
    form = {"conversation": "own", "temperature": "1.5", "model": "maker/large"}
    answer = browser.post("/models", data=form)
    assert answer.headers["location"] == "/models?conversation=own"
    kept = anyio.run(server.store.conversation, "own").settings
    assert kept == {"temperature": 1.5, "model": "maker/large", "strategy": "first"}
    page = browser.get("/models?conversation=own").text
    assert "Default: 0.5" in page
    assert '<option value="own" selected>About tea</option>' in page
    assert set_to(server)["temperature"] == 0.5
    assert browser.get("/models?conversation=nobody").status_code == 404
    anyio.run(server.store.change_settings, {"temperature": None})


def hidden(page: str, form: str) -> dict[str, str]:
    """The hidden fields of the form that has a field of this name."""
    found = next(one for one in page.split("<form")[1:] if f'name="{form}"' in one)
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', found)
    return {name: unescape(value) for name, value in pairs}


def test_a_page_that_is_old_takes_nothing_back(server: Server, browser: httpx.Client) -> None:
    anyio.run(server.store.change_settings, {"temperature": 0.5, "stop": ["A", "B"]})
    drawn = hidden(browser.get("/models").text, "temperature")
    shown = {"model": "", "temperature": "0.5", "top_p": "", "max_tokens": "", "stop": "A\r\nB"}
    anyio.run(server.store.change_settings, {"temperature": 1.5, "model": "m", "stop": None})
    browser.post("/models", data={**drawn, **shown, "max_tokens": "50"})
    kept = set_to(server)
    assert (kept["temperature"], kept["model"], kept["max_tokens"]) == (1.5, "m", 50)
    assert "stop" not in kept
    browser.post("/models", data={**drawn, **shown, "temperature": ""})
    assert "temperature" not in set_to(server)
    assert set_to(server)["model"] == "m"
    anyio.run(server.store.change_settings, {"model": None, "max_tokens": None})


def test_a_page_with_a_mistake_still_knows_what_it_was_drawn_with(browser: httpx.Client) -> None:
    drawn = hidden(browser.get("/models").text, "temperature")
    answer = browser.post("/models", data={**drawn, "temperature": "hot", "model": "typed"})
    assert answer.status_code == 400
    assert hidden(answer.text, "temperature") == drawn


def test_what_is_wrong_stands_beside_its_field(browser: httpx.Client) -> None:
    form = {"temperature": "hot", "top_p": "3", "max_tokens": "1.5", "model": "m"}
    answer = browser.post("/models", data=form)
    assert answer.status_code == 400
    assert problem(answer.text, "temperature") == "Write a number."
    assert problem(answer.text, "top_p") == "At most 1.0, please."
    assert problem(answer.text, "max_tokens") == "Write a whole number."
    assert 'value="hot"' in answer.text
    assert browser.post("/models", data={"do": "reset nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("llm", "told"),
    [(Unwilling(), "The provider is away."), (FakeLlm(), "has no list of models")],
)
def test_a_provider_that_does_not_tell_leaves_the_page_usable(llm: Any, told: str) -> None:
    with a_server(llm=llm, storage=anyio.run(a_store)) as server:
        answer = httpx.get(f"{server.url}/models", headers={"accept": "text/html"}, trust_env=False)
    assert answer.status_code == 200
    assert told in answer.text
    assert "Temperature" in answer.text


def test_the_demo_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Given.config
    monkeypatch.setattr(Given, "config", lambda self, *web: _with_demo(plain(self, *web)))
    with a_server(storage=anyio.run(a_store)) as server:
        page = httpx.get(f"{server.url}/models", headers={"accept": "text/html"}, trust_env=False)
    assert "A script is answering, not a language model." in page.text
    assert "OPENROUTER_API_KEY" in page.text


def _with_demo(config: Any) -> Any:
    from attrs import evolve

    from aichat.core.registry.config import Part

    return evolve(config, parts={**config.parts, "llm": Part(("demo",))})
