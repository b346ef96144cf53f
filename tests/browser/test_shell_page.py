"""The frame of the pages in a real browser: places, looks, keys, toasts, a server that is away."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from support.browser.axe import violations
from support.browser.chromium import OpenPage
from support.browser.page_checks import CUT_OFF, too_wide
from support.litestar_run import Server

PLACES = ("Characters", "Voices", "Models", "Speech", "Agents", "Settings")
PHONE = {"width": 390, "height": 844}


def announced(page: Page, words: str) -> None:
    expect(page.locator("#announcer")).to_contain_text(words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_and_none_is_wider_than_a_phone(
    scheme: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    page = open_page(
        f"{server.url}/components", color_scheme=scheme, reduced_motion="reduce", excused="404"
    )
    for path in ("/components", *(f"/{place.lower()}" for place in PLACES), "/no/such/page"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(server.url + path)
        assert violations(page, axe) == [], path
        page.set_viewport_size(PHONE)
        page.locator("#rail summary").click()
        assert too_wide(page) == [], path
    assert violations(page, axe) == []  # with the rail unfolded


def test_all_places_are_reached_and_left_with_the_keyboard(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/agents")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_be_focused()
    page.keyboard.press("g")
    expect(page.locator(".place[aria-current]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Settings · aichat")
    expect(page.locator(".place[aria-current=page]")).to_have_text("Settings")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Agents")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_rail_and_the_colours_stay_as_they_were_chosen(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/settings", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    narrow, widen = (page.get_by_role("button", name=name) for name in ("Collapse", "Expand"))
    with page.expect_response("**/preferences"):
        narrow.click()
    expect(widen).to_be_focused()
    with page.expect_response("**/preferences"):
        page.get_by_label("Dark").check(force=True)
    assert page.evaluate(paper) != light
    page.goto(f"{server.url}/agents")
    assert page.evaluate(paper) != light
    expect(widen).to_be_visible()
    assert page.locator(".rail-frame").evaluate("(one) => one.clientWidth") < 100
    expect(page.locator(".place", has_text="Characters")).to_be_visible()
    with page.expect_response("**/preferences"):
        widen.press("Enter")
    expect(narrow).to_be_focused()
    page.keyboard.press("t")
    assert page.evaluate(paper) == light


def test_the_keys_are_listed_keep_quiet_while_one_writes_and_can_be_switched_off(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/settings")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.keyboard.press("?")
    expect(keys).to_contain_text("Start a new conversation")
    page.keyboard.press("n")  # a dialog is open
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    field = page.get_by_label("Replies to one message, at most")
    field.focus()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    off = page.get_by_role("radio", name=re.compile("^Off"))
    with page.expect_response("**/preferences"):
        off.check(force=True)
    page.locator("#stage").focus()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    page.reload()
    page.keyboard.press("n")
    expect(page).to_have_url(f"{server.url}/settings")


def test_tabs_and_dialogs_obey_the_keyboard(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/components")
    tab = page.get_by_role("tab", name="Who")
    tab.press("ArrowRight")
    expect(page.get_by_role("tab", name="Voice", selected=True)).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("How does it sound?")
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel")).to_contain_text("Who writes it?")
    opener = page.get_by_role("link", name="Open a dialog")
    opener.press("Enter")
    dialog = page.get_by_role("dialog", name="A dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_label("Close").click()
    expect(dialog).to_be_hidden()


def test_a_tool_is_switched_with_the_keyboard_and_that_is_told_once(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/agents")
    dice = page.get_by_role("form", name="Tools of Mark Chen").get_by_role("switch", name="dice")
    was_on = dice.is_checked()
    dice.press("Space")
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("Mark Chen")
    announced(page, "Mark Chen")
    expect(dice).to_be_focused()
    page.reload()
    expect(dice).to_be_checked(checked=not was_on)
    expect(toast).to_have_count(0)
    dice.click()
    expect(toast).to_have_count(1)
    toast.get_by_role("button", name="Dismiss").press("Enter")
    expect(toast).to_have_count(0)
    expect(page.locator("#stage")).to_be_focused()


def test_a_server_that_is_away_is_told_and_nothing_is_lost(
    own_server: Server, open_page: OpenPage
) -> None:
    page = open_page(
        f"{own_server.url}/agents",
        excused=f"{CUT_OFF}|htmx:error: Failed to fetch",
    )
    expect(page.locator("#connection")).to_have_text("Connected")
    dice = page.get_by_role("form", name="Tools of Mark Chen").get_by_role("switch", name="dice")
    was_on = dice.is_checked()
    own_server.kill()
    expect(page.locator("#offline")).to_be_visible()
    announced(page, "The server does not answer.")
    dice.click()
    expect(page.locator("#toasts .toast")).to_contain_text("nothing was sent")
    expect(dice).to_be_checked(checked=was_on)
    page.goto("about:blank")
    own_server.start()
    page.goto(f"{own_server.url}/settings")
    field = page.get_by_label("Replies to one message, at most")
    field.fill("7")
    own_server.kill()
    expect(page.locator("#offline")).to_be_visible()
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Delete all conversations").click()
    expect(page.locator("#toasts .toast")).to_contain_text("nothing was sent")
    expect(field).to_have_value("7")
    own_server.start()
    expect(page.locator("#offline")).to_be_hidden()


def test_the_browsers_own_frame_follows_the_theme(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/settings", color_scheme="light")
    frame = page.locator("meta[name=theme-color][data-scheme=light]")
    expect(frame).to_have_attribute("content", "#f6f2ea")
    page.locator("#stage").press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(frame).to_have_attribute("content", "#17171b")
    page.get_by_label("System", exact=True).check(force=True)
    expect(frame).to_have_attribute("content", "#f6f2ea")


def test_without_scripts_everything_still_works(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/agents", java_script_enabled=False, viewport=PHONE)
    page.locator("#rail summary").click()
    page.get_by_role("link", name="Settings").click()
    page.locator("#appearance").scroll_into_view_if_needed()
    page.get_by_label("Dark").check(force=True)
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Who answers when you name nobody").select_option("first")
    page.get_by_role("button", name="Save").nth(2).click()
    expect(page.locator("#toasts .toast")).to_contain_text(
        "new conversations start with these settings"
    )
    expect(page.get_by_label("Who answers when you name nobody")).to_have_value("first")
    page.goto(f"{studio.url}/agents")
    rosa = page.get_by_role("form", name="Tools of Rosa Alvarez")
    clock = rosa.get_by_role("switch", name="clock")
    was_on = clock.is_checked()
    clock.click()
    rosa.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts .toast")).to_contain_text("Rosa Alvarez")
    expect(clock).to_be_checked(checked=not was_on)
    page.goto(f"{studio.url}/components")
    page.get_by_role("link", name="Open a dialog").click()
    expect(page.get_by_role("dialog", name="A dialog")).to_be_visible()
    page.get_by_role("link", name="Close").click()
    expect(page.get_by_role("dialog", name="A dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="Model", exact=True)).to_be_visible()
