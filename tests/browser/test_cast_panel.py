"""The cast panel: who is here, whose turn it is, how loud they are, and two tabs that agree."""

from __future__ import annotations

import re

import pytest
from attrs import evolve
from playwright.sync_api import Browser, Locator, Page, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, finished, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import recorded_past
from support.litestar_run import Server
from support.playback_check import assert_whole

OLIVIA, MARK, ROSA = "olivia-barns-001", "mark-chen-001", "rosa-alvarez-001"


def names(page: Page) -> Locator:
    return page.locator("#cast .cast-name")


def test_the_cast_is_changed_by_keyboard_and_mouse_and_two_tabs_agree(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        one = open_page(server.url + listener.path)
        other = open_page(server.url + listener.path)
        connected(one)
        connected(other)
        colour = re.compile(r"\bvoice-\d")
        before = colour.findall(one.locator(f"#cast-{MARK}").get_attribute("class") or "")
        one.get_by_role("button", name="Move Mark up").press("Enter")
        for page in (one, other):
            expect(names(page)).to_have_text(["Mark Chen", "Olivia Barns"])
        after = colour.findall(one.locator(f"#cast-{MARK}").get_attribute("class") or "")
        assert before == after != []
        expect(one.get_by_role("button", name="Move Mark up")).to_be_focused()  # drawn anew
        other.get_by_label("Add to the conversation").select_option(label="Rosa Alvarez")
        other.get_by_role("button", name="Add", exact=True).click()
        for page in (one, other):
            expect(names(page)).to_have_count(3)
        one.get_by_role("button", name="Mute Olivia").click()
        expect(other.get_by_role("button", name="Unmute Olivia")).to_be_visible()
        expect(other.locator(f"#cast-{OLIVIA} .when-muted")).to_be_visible()
        expect(one.locator("#composer-who")).to_have_text("Mark, then Rosa will answer.")
        one.get_by_role("button", name="Remove Mark").click()
        expect(other.locator("#composer-who")).to_have_text("Rosa will answer.")
        other.locator(f"#cast-{ROSA}").drag_to(
            other.locator(f"#cast-{OLIVIA}"), target_position={"x": 20, "y": 4}
        )
        for page in (one, other):
            expect(names(page)).to_have_text(["Rosa Alvarez", "Olivia Barns"])


def test_rules_are_changed_at_once_and_shown_everywhere(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        one = open_page(server.url + listener.path)
        other = open_page(server.url + listener.path)
        connected(one)
        connected(other)
        one.get_by_label("Who answers when you name nobody").select_option("first")
        expect(other.get_by_label("Who answers when you name nobody")).to_have_value("first")
        expect(other.locator("#composer-who")).to_have_text("Olivia will answer.")
        one.get_by_label("They go on by themselves").check()
        expect(other.get_by_label("They go on by themselves")).to_be_checked()
        one.get_by_label("Replies before they wait for you").fill("99")
        one.get_by_label("Replies before they wait for you").press("Tab")  # the browser refuses it
        assert one.evaluate("document.querySelector('#cast-cap').validity.rangeOverflow")


def test_whose_turn_it_is_stands_in_words_and_who_is_asked_comes_next(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK, ROSA) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        send(page, "@Olivia and @Mark, good morning!")
        queue = page.locator("#queue")
        expect(queue).to_have_text(re.compile(r"^now Olivia, then Mark \((writing|ready)\)"))
        speaker = page.locator(f"#cast-{OLIVIA}")
        expect(speaker).to_have_class(re.compile("is-speaking"))
        expect(speaker.locator(".when-speaking")).to_be_visible()
        waiting = page.locator("#log .message.is-assistant").nth(1)
        expect(waiting.locator(".message-text")).not_to_be_empty()
        expect(waiting.locator(".when-queued")).to_have_text("queued 2nd")
        expect(waiting.locator(".when-queued")).to_be_visible()
        page.get_by_role("button", name="Speak next: Rosa").click()
        expect(queue).to_contain_text("then Rosa (asked)")
        expect(queue).to_have_text(re.compile(r"^now Rosa"))
        assert listener.until("turn_started")["speakers"] == [OLIVIA, MARK]
        assert listener.until("turn_started")["speakers"] == [ROSA]
        page.keyboard.press("Escape")
        finished(page)
        expect(queue).to_have_text("")


@pytest.mark.sound
def test_the_volume_of_one_changes_that_one_only_and_is_kept(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        page.get_by_label("Volume of Olivia").fill("50")
        page.reload()
        connected(page)
        expect(page.get_by_label("Volume of Olivia")).to_have_value("50")
        send(page, "@Olivia, hello!")
        sent = listener.turn()
        finished(page)
        played = recorded_past(page)
        assert_whole(evolve(played, samples=played.samples * 2), sent)


def test_the_panel_folds_to_a_strip_of_faces_and_remembers(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    connected(page)
    expect(page.get_by_role("button", name="Mute Olivia")).to_be_visible()
    fold = page.get_by_role("button", name="Cast controls")
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("button", name="Mute Olivia")).to_be_hidden()
    expect(names(page).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Mute Olivia")).to_be_hidden()


def test_without_scripts_the_forms_do_it(server: Server, browser: Browser) -> None:
    with (
        server.conversation(OLIVIA, MARK) as listener,
        browser.new_context(java_script_enabled=False) as context,
    ):
        page = context.new_page()
        page.goto(server.url + listener.path)
        page.get_by_role("button", name="Move Mark up").click()
        expect(names(page)).to_have_text(["Mark Chen", "Olivia Barns"])
        page.get_by_label("Who answers when you name nobody").select_option("first")
        page.get_by_role("button", name="Save the rules").click()
        expect(page.get_by_label("Who answers when you name nobody")).to_have_value("first")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_has_nothing_against_the_cast(
    width: int, scheme: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        how = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}
        page = open_page(server.url + listener.path, **how)
        connected(page)
        if width < 1_000:
            page.get_by_role("button", name="Cast controls").click()
        page.get_by_role("button", name="Mute Olivia").click()
        expect(page.locator(f"#cast-{OLIVIA} .when-muted")).to_be_visible()
        send(page, "@Mark, hello!")
        expect(page.locator("#cast .is-speaking")).to_be_visible()
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
        finished(page)
