"""Choosing a model, with a provider at hand and without one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from support.browser.chromium import OpenPage
from support.browser.page_checks import fine
from support.free_ports import free_port
from support.litestar_run import CHECKOUT, Server


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose language models come from a provider."""
    port = free_port()
    script = CHECKOUT / "tests" / "support" / "fake_openrouter.py"
    with subprocess.Popen(
        [sys.executable, script, str(port)], stdout=subprocess.PIPE, text=True
    ) as provider:
        assert provider.stdout
        provider.stdout.readline()  # it serves now
        server = Server(tmp_path_factory.mktemp("provided"), settings=settings(port))
        server.start()
        try:
            wait_for_openai(server)
            yield server
        finally:
            server.kill()
            provider.kill()


def wait_for_openai(server: Server) -> None:
    """A server serves before its language model does."""
    while True:
        parts = httpx.get(f"{server.url}/api/plugins", trust_env=False).json()["parts"]
        states = {one["name"]: one["state"] for one in parts if one["part"] == "llm"}
        assert states["openai"] != "failed", parts
        if states["openai"] == "ready":
            return
        time.sleep(0.1)


def settings(port: int) -> tuple[tuple[str, str], ...]:
    return (
        ('use = ["demo"]', 'use = ["openai", "demo"]'),
        ("https://openrouter.ai/api/v1", f"http://127.0.0.1:{port}/api/v1"),
        ('api_key = "$OPENROUTER_API_KEY"', 'api_key = "test"'),
    )


def test_a_model_is_found_and_chosen_with_the_keyboard(
    provided: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{provided.url}/models")
    rows = page.locator(".models tbody tr")
    expect(rows.first).to_contain_text("tokens")
    everything = rows.count()
    name = rows.first.locator("code").inner_text()
    page.get_by_label("Find").focus()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    rows.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text(f"{name} writes from now on.")
    expect(page.locator(".is-chosen code")).to_have_text(name)
    expect(rows).to_have_count(everything)
    page.get_by_role("button", name="Reset Model").click()
    expect(page.locator(".is-chosen")).to_have_count(0)


def test_parameters_are_changed_for_one_conversation(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/models")
    page.get_by_label("Temperature").fill("0.6")
    page.get_by_label("Temperature").press("Enter")
    expect(page.locator(".toast")).to_contain_text("The settings are saved.")
    with studio.conversation("olivia-barns-001") as listener:
        page.goto(f"{studio.url}/models?conversation={listener.conversation}")
        expect(page.get_by_label("Temperature")).to_have_value("0.6")
        page.get_by_label("Temperature").fill("1.2")
        page.get_by_label("Longest reply").fill("120")
        page.get_by_role("button", name="Save").last.click()
        expect(page.get_by_text("Default: 0.6")).to_be_visible()
        page.get_by_role("button", name="Reset Temperature").click()
        expect(page.get_by_text("Default: 0.6")).to_have_count(0)
    page.goto(f"{studio.url}/models")
    expect(page.get_by_label("Longest reply")).to_have_value("")
    page.get_by_role("button", name="Reset Temperature").click()
    expect(page.get_by_label("Temperature")).to_have_value("")


def test_while_a_script_answers_the_page_says_how_to_mend_it(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/models", java_script_enabled=False)
    expect(page.get_by_text("A script is answering, not a language model.")).to_be_visible()
    expect(page.get_by_text("OPENROUTER_API_KEY=")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_page(
    provided: Server, studio: Server, open_page: OpenPage, axe: str, scheme: str
) -> None:
    page = open_page(f"{provided.url}/models", color_scheme=scheme)
    for server in (provided, studio):
        page.goto(f"{server.url}/models")
        fine(page, axe)
