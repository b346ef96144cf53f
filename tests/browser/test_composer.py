"""What the user writes: the rich box, its list of names and toolbar, drafts, who will answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, finished, log, rich, send
from support.browser.chromium import OpenPage
from support.litestar_run import Server

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"
FAILED_TO_LOAD = "ERR_FAILED|Failed to fetch dynamically imported module"


def sent(page: Page, path: str) -> list[str]:
    """What the store keeps of what the user wrote; a message is shown before it is stored."""
    address = f"/api/messages?conversation_id={path.removeprefix('/c/')}"
    messages: list[dict[str, Any]] = page.evaluate(
        """async (address) => {
          for (let tries = 0; tries < 600; tries += 1) {
            const messages = await (await fetch(address)).json();
            if (messages.some((message) => message.role === "user")) return messages;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
          return [];
        }""",
        address,
    )
    return [message["content"] for message in messages if message["role"] == "user"]


def test_a_name_is_picked_with_the_keyboard_and_who_answers_is_said(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        who = page.locator("#composer-who")
        expect(who).to_have_text("Olivia, then Mark will answer.")
        rich(page).focus()
        page.keyboard.type("Well, @")
        names = page.get_by_role("listbox", name="Who is here").get_by_role("option")
        expect(names).to_have_count(4)
        page.keyboard.press("ArrowDown")
        expect(names.nth(1)).to_have_attribute("aria-selected", "true")
        marked = page.locator("#composer-text").get_attribute("aria-activedescendant")
        assert marked == names.nth(1).get_attribute("id")
        page.keyboard.press("Enter")
        expect(page.locator("#mentions")).to_be_hidden()
        expect(who).to_have_text("Mark will answer.")
        page.keyboard.type("@oth")
        expect(names).to_have_count(1)
        page.keyboard.press("Escape")  # the list goes, and nothing else
        expect(page.locator("#mentions")).to_be_hidden()
        for _ in "@oth":
            page.keyboard.press("Backspace")
        page.keyboard.type("how are you?")
        page.keyboard.press("Enter")
        assert listener.until("turn_started")["speakers"] == [MARK]
        assert sent(page, listener.path) == ["Well, @Mark Chen how are you?"]
        page.keyboard.press("Escape")
        finished(page)


def test_what_is_formatted_goes_out_as_markdown_and_comes_back_as_html(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        box = rich(page)
        box.click()
        page.get_by_role("button", name="Bold").click()
        page.keyboard.type("loud")
        page.keyboard.press("Control+b")
        page.keyboard.type(" and ")
        page.get_by_label("Colour").select_option("red")
        page.keyboard.type("warm")
        page.get_by_label("Colour").select_option("")
        page.get_by_label("Alignment").select_option("center")
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Shift+Enter")
        page.get_by_label("Alignment").select_option("")
        page.get_by_role("button", name="Numbered list").click()
        page.keyboard.type("one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        expect(page.get_by_role("button", name="Numbered list")).to_have_attribute(
            "aria-pressed", "true"
        )
        page.get_by_role("button", name="Link").click()
        page.get_by_label("Address", exact=True).last.fill("example.com/a")
        page.keyboard.press("Enter")
        expect(box).to_be_focused()
        page.keyboard.press("Enter")
        shown = log(page, "user")
        expect(shown.locator("strong")).to_have_text("loud")
        expect(shown.locator("p.align-center .ink-red")).to_have_text("warm")
        expect(shown.locator("ol > li")).to_have_count(2)
        expect(shown.locator("a")).to_have_attribute("href", "https://example.com/a")
        assert sent(page, listener.path) == [
            "**loud** and [warm]{.red} {.center}\n\n1. one\n2. two<https://example.com/a>"
        ]
        page.keyboard.press("Escape")
        finished(page)


def test_the_toolbar_is_one_stop_and_its_arrows_move_in_it(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    connected(page)
    rich(page).focus()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#composer-format")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_label("Heading", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Bold")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Picture", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Address", exact=True).last.fill("https://example.com/cat.png")
    page.get_by_label("What the picture shows").last.fill("a cat")
    page.keyboard.press("Enter")
    expect(page.locator("#composer-text a")).to_have_text("a cat")  # no other site is asked
    page.locator("#composer-format").press("Enter")
    expect(page.locator("#composer-toolbar")).to_be_hidden()


def test_a_draft_outlives_the_page_as_it_was_formatted(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        rich(page).focus()
        page.keyboard.type("I **really** mean")
        page.reload()
        expect(rich(page)).to_have_text("I really mean")
        expect(page.locator("#composer-text strong")).to_have_text("really")
        connected(page)
        page.locator("#composer-text").press("Enter")
        expect(log(page, "user").locator("strong")).to_have_text("really")
        page.keyboard.press("Escape")
        finished(page)
        page.reload()
        expect(rich(page)).to_have_text("")


def test_up_in_an_empty_box_asks_for_the_last_own_line(server: Server, open_page: OpenPage) -> None:
    page = open_page(server.url)
    connected(page)
    rich(page).focus()
    page.evaluate(
        "addEventListener('edit-last', (event) => { window.asked = (window.asked ?? 0) + 1; })"
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.type("text")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("window.asked") == 1


def test_what_is_too_long_is_kept_and_counted(server: Server, open_page: OpenPage) -> None:
    page = open_page(server.url)
    connected(page)
    rich(page).fill("x" * 8_001)
    note = page.locator("#composer-note")
    expect(note).to_contain_text("8001 of 8000 letters, 1 too many")
    page.locator("#composer-text").press("Enter")
    expect(page.locator("#composer-text")).to_have_text("x" * 8_001)
    page.keyboard.press("Backspace")
    expect(note).to_contain_text("8000 of 8000 letters")
    expect(page.get_by_role("button", name="Send")).to_have_attribute("aria-disabled", "false")
    page.locator("#composer-text").fill("")


def test_where_the_rich_box_does_not_come_the_plain_one_does_it_all(
    server: Server, open_page: OpenPage
) -> None:
    def refuse(route: Route) -> None:
        route.abort()

    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page("about:blank", excused=FAILED_TO_LOAD)
        page.route(re.compile(r"composer-rich-.*\.js"), refuse)
        page.goto(server.url + listener.path)
        connected(page)
        expect(page.locator("textarea#composer-text")).to_be_visible()
        page.locator("#composer-text").fill("@Mark, a line")
        expect(page.locator("#composer-who")).to_have_text("Mark will answer.")
        page.locator("#composer-text").press("Shift+Enter")
        page.keyboard.type("and another")
        page.keyboard.press("Enter")
        expect(log(page, "user")).to_have_text(re.compile("a line\\s*and another"))
        page.keyboard.press("Escape")
        finished(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_against_the_composer(
    scheme: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    page = open_page(server.url, color_scheme=scheme)
    connected(page)
    rich(page).focus()
    page.get_by_role("button", name="Link").click()
    assert not violations(page, axe)
    page.keyboard.press("Escape")
    page.keyboard.type("# Title")
    page.keyboard.type("and **bold**, `code`, @")
    expect(page.locator("#mentions")).to_be_visible()
    assert not violations(page, axe)
    page.locator("#composer-text").fill("")


def test_a_message_is_written_and_sent_on_a_phone(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        phone = {"width": 390, "height": 844}
        page = open_page(server.url + listener.path, viewport=phone, has_touch=True)
        connected(page)
        rich(page).tap()
        page.locator("#composer-format").tap()
        expect(page.locator("#composer-toolbar")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        send(page, "Good morning")
        expect(log(page, "user")).to_have_text(["Good morning"])
        page.locator("#stop").tap()
        finished(page)
