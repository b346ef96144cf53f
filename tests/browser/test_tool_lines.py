"""Tools in the page: what a character used stands in its message, now and later."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from support.browser.chat_page import connected, finished, send
from support.browser.chromium import OpenPage
from support.litestar_run import Server

MARK = "mark-chen-001"


def test_what_a_character_used_is_shown_and_kept(server: Server, open_page: OpenPage) -> None:
    with server.conversation(MARK) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        send(page, "Mark, roll 2d6+1, please.")
        used = page.locator("#log .message.is-assistant .used-tool")
        expect(used).to_have_text(re.compile(r"^dice 2d6\+1: \d \+ \d \+ 1 = \d+$"))
        finished(page)
        expect(used).to_have_count(1)
        words = used.inner_text()
        expect(page.locator("#log .message.is-assistant .message-text")).to_contain_text(
            "and it came to " + words.rpartition("= ")[2]
        )
        page.reload()
        expect(used).to_have_text([words])
