"""Pages that are loaded in mid-answer, at many of its moments: they show all that was said."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Page, expect

from support.browser.chat_page import connected, finished, log, send
from support.browser.chromium import OpenPage
from support.litestar_run import Server

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"
SHOWN = """() => [...document.querySelectorAll("#log .message")].map((one) => ({
  id: one.id, text: one.querySelector(".message-text").textContent,
}))"""

AS_STORED = """async (id) => {
  for (let same = false; !same; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const answer = await fetch(`/api/messages?conversation_id=${id}`);
    const stored = (await answer.json()).map((one) => `m-${one.message_id}`);
    const shown = [...document.querySelectorAll("#log .message")].map(({ id }) => id);
    same = JSON.stringify(stored) === JSON.stringify(shown);
  }
}"""
"""Resolves when the page shows the messages that the store has, in their order."""


def letters(text: str) -> str:
    """Without what Markdown does to it."""
    return re.sub(r"\W+", "", text)


def shown(page: Page) -> dict[str, str]:
    """The messages that the page shows, in its order."""
    bubbles: list[dict[str, str]] = page.evaluate(SHOWN)
    assert len({one["id"] for one in bubbles}) == len(bubbles), "shown twice"
    return {one["id"]: letters(one["text"]) for one in bubbles}


def stored(server: Server, path: str) -> list[dict[str, Any]]:
    id = path.rpartition("/")[2]
    with urlopen(f"{server.url}/api/messages?conversation_id={id}") as answer:
        messages: list[dict[str, Any]] = json.load(answer)
    return messages


def reload(page: Page) -> None:
    """Load it again; what it showed it shows, or more of it, and in the same order."""
    before = shown(page)
    page.reload()
    connected(page)
    page.evaluate("window.__told('ready', '')")
    after = shown(page)
    assert [id for id in after if id in before] == list(before)
    for id, text in before.items():
        assert after[id].startswith(text), (text, after[id])


def test_a_reload_in_mid_answer_shows_all_that_was_said_and_goes_on(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page, other = (open_page(server.url + listener.path) for _ in range(2))
        for one in (page, other):
            connected(one)
        send(page, "Hello, tell me about your favourite book.")
        expect(log(page, "user")).to_have_count(1)
        reload(page)  # when nothing is written yet, perhaps
        expect(log(page, "assistant").first).to_have_text(re.compile(r"\w{2,}"))
        reload(page)
        expect(page.locator("#cast-panel #queue")).to_have_text(re.compile(r"\w"))
        for _ in range(3):
            reload(page)
        listener.until("turn_complete", sequence_number=0)
        reload(page)  # while the second speaks
        listener.until("turn_complete", sequence_number=1)
        finished(page)
        expect(log(page, "assistant")).to_have_count(2)
        late = open_page(server.url + listener.path)
        connected(late)
        expect(late.locator("#log .when-spoken")).to_have_count(2)
        assert shown(page) == shown(other) == shown(late)
        kept = [letters(one["content"]) for one in stored(server, listener.path)]
        assert list(shown(page).values()) == kept


def test_who_leaves_and_comes_back_alone_finds_what_was_heard(
    server: Server, open_page: OpenPage
) -> None:
    """The last page is left, so that they stop: the line that was being said is there, once."""
    for wait_for in (".is-user", ".is-speaking", ".is-speaking"):
        page = open_page(server.url)
        connected(page)
        send(page, "Hello, tell me about your favourite book.")
        expect(page.locator(f"#log {wait_for}").first).to_be_visible()
        if wait_for == ".is-speaking":
            page.wait_for_timeout(1_500)  # some of it is heard
        path = page.evaluate("location.pathname")
        page.reload()
        connected(page)
        expect(log(page, "user")).to_have_count(1)
        expect(page.locator("#log .is-thinking, #log .is-streaming")).to_have_count(0)
        page.evaluate(AS_STORED, path.rpartition("/")[2])
        if wait_for == ".is-speaking":
            line = page.locator("#log .message.is-interrupted")
            expect(line).to_have_count(1)
            expect(line.locator(".message-text")).to_have_text(re.compile(r"\w{2,}"))
