"""The API's page in a real browser, and a page that sees what is changed over the API."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect

from support.browser.chat_page import connected
from support.browser.chromium import OpenPage
from support.litestar_run import Server

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"


def test_the_api_is_shown_and_tried_out_without_another_server(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/schema")
    foreign: list[str] = []
    page.on("request", lambda asked: foreign.append(asked.url))
    paths = httpx.get(f"{server.url}/schema/openapi.json").json()["paths"]
    expect(page.locator(".opblock")).to_have_count(sum(map(len, paths.values())))
    operation = page.locator("#operations-characters-listCharacters")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.first).to_contain_text(OLIVIA)
    assert all(url.startswith(server.url) for url in foreign)


def test_a_page_shows_the_cast_that_a_program_sets_and_that_it_is_gone(
    server: Server, open_page: OpenPage
) -> None:
    api = f"{server.url}/api/conversations"
    made = httpx.post(api, json={"active_characters": [OLIVIA]}, trust_env=False).json()
    id = made["conversation_id"]
    page = open_page(f"{server.url}/c/{id}")
    connected(page)
    expect(page.locator("#cast .cast-member")).to_have_count(1)
    httpx.put(f"{api}/{id}/characters", json=[MARK, OLIVIA], trust_env=False)
    expect(page.locator(f"#cast-{MARK}")).to_be_visible()
    httpx.put(f"{api}/{id}", json={"title": "Tea <&> cake"}, trust_env=False)
    expect(page.locator("#title")).to_have_text("Tea <&> cake")
    message = {"conversation_id": id, "role": "system", "content": "It *rains*."}
    httpx.post(f"{server.url}/api/messages", json=message, trust_env=False)
    expect(page.locator("#log em")).to_have_text("rains")
    httpx.delete(f"{api}/{id}", trust_env=False)
    expect(page.locator("#connection")).to_have_attribute("data-state", "refused")
    expect(page.locator("body")).to_contain_text("This conversation does not exist any more.")
