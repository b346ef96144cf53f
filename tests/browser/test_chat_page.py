"""The page in a real browser, without a microphone: typing, reading, and what goes wrong."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, events, finished, log, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import assert_is_speech, recorded_past
from support.browser.page_checks import CUT_OFF, too_wide
from support.litestar_run import Server
from support.playback_check import assert_whole

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"


def speaking(page: Page) -> Locator:
    return page.locator("#cast .is-speaking")


@pytest.mark.sound
def test_two_who_are_named_answer_in_that_order(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        send(page, "@Mark and @Olivia, tea or coffee?")
        sent = listener.turn()
        finished(page)
        names = page.locator("#log .message.is-assistant .message-name").all_inner_texts()
        assert names == ["Mark Chen", "Olivia Barns"]
        assert page.evaluate("window.__witness.speakers") == names
        played = recorded_past(page)
        assert_is_speech(played.samples)
        assert_whole(played, sent)


def test_a_new_conversation_gets_its_address_and_its_place_in_the_list(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    connected(page)
    expect(page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}$"))
    send(page, "Olivia, where do you find your books?")
    expect(log(page, "assistant")).to_have_text(re.compile(r"\w"))
    page.keyboard.press("Escape")
    finished(page)
    words = "where do you find"
    expect(page.locator("#conversations [aria-current=page]")).to_contain_text(words)
    expect(page.locator("#title")).to_contain_text(words)
    expect(page).to_have_title(re.compile(words))
    shown = page.locator("#log .message-text").all_inner_texts()
    page.reload()
    expect(page.locator("#log .message-text")).to_have_text(shown)
    page.goto(server.url)
    page.locator("#conversations a", has_text=words).first.click()
    expect(page.locator("#log .message-text")).to_have_text(shown)


def test_a_suggestion_is_said_with_a_click(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        suggestion = page.locator("#suggestions button").first
        words = suggestion.inner_text()
        suggestion.click()
        expect(log(page, "user")).to_have_text([words])
        expect(speaking(page)).to_be_visible()
        expect(suggestion).to_be_hidden()
        expect(page.locator("#composer-text")).to_be_focused()


def test_a_click_on_a_face_writes_the_name(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path)
        page.get_by_role("button", name="Mark Chen").click()
        expect(page.locator("#composer-text")).to_have_text("@Mark Chen")
        expect(page.locator("#composer-text")).to_be_focused()


def test_who_serves_in_place_of_something_better_is_said(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    for words in ("Rough recognition", "Demo replies"):
        expect(page.locator("#notices")).to_contain_text(words)
    connected(page)
    expect(page.locator("#notices .notice")).to_have_count(2)


def test_a_server_that_was_killed_is_found_again(own_server: Server, open_page: OpenPage) -> None:
    with own_server.conversation(OLIVIA) as listener:
        page = open_page(own_server.url + listener.path, excused=CUT_OFF)
        connected(page)
        send(page, "Tell me about the shop.")
        expect(speaking(page)).to_be_visible()
        own_server.kill()
    state = page.locator("#connection")
    expect(state).to_have_attribute("data-state", re.compile("reconnecting|offline"))
    send(page, "A draft.")
    expect(page.locator("#composer-note")).to_contain_text("Your text is still here")
    expect(page.locator("#composer-text")).to_have_text("A draft.")
    own_server.start()
    connected(page)
    expect(page.locator("#composer-text")).to_have_text("A draft.")
    expect(log(page, "user")).to_have_text(["Tell me about the shop."])
    finished(page)
    page.locator("#composer-text").press("Enter")
    expect(log(page, "user")).to_have_text(["Tell me about the shop.", "A draft."])
    expect(speaking(page)).to_be_visible()
    assert [event["resumed"] for event in events(page, "ready")] == [False, False]


def test_what_happens_while_the_log_is_read_again_is_shown_too(
    own_server: Server, open_page: OpenPage
) -> None:
    with own_server.conversation(OLIVIA) as listener:
        page = open_page(own_server.url + listener.path, excused=CUT_OFF)
        connected(page)
        send(page, "Tell me about the shop.")
        expect(speaking(page)).to_be_visible()
        own_server.kill()
    old_pages: list[tuple[Route, APIResponse]] = []
    page.route(f"**{listener.path}", lambda route: old_pages.append((route, route.fetch())))
    with page.expect_request(f"**{listener.path}"):
        own_server.start()
    connected(page)
    send(page, "Are you back?")
    page.evaluate("window.__told('html', 'Are you back?')")
    while not old_pages:  # the server is slow to answer: it has just begun
        page.wait_for_timeout(50)
    [(route, old_page)] = old_pages
    route.fulfill(response=old_page)
    expect(log(page, "user")).to_have_text(["Tell me about the shop.", "Are you back?"])
    expect(log(page, "assistant").last).to_have_text(re.compile(r"\w{2,}"))


def test_a_microphone_that_is_denied_is_explained(server: Server, open_page: OpenPage) -> None:
    page = open_page(server.url, permissions=())
    connected(page)
    page.locator("#talk").press("Space")
    problem = page.get_by_role("region", name="The browser may not use the microphone.")
    expect(problem).to_contain_text("Allow it")
    expect(page.locator("#talk")).to_have_text("Hold to talk")
    problem.get_by_role("button", name="Dismiss").click()
    expect(problem).to_be_hidden()
    expect(page.locator("#talk")).to_be_focused()


def test_a_conversation_that_does_not_exist_has_a_readable_page(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/c/nowhere", excused="404")
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found.")
    page.get_by_role("link", name="Start a new conversation").click()
    connected(page)


def test_two_tabs_show_the_same_conversation(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA) as listener:
        first, second = (open_page(server.url + listener.path) for _ in range(2))
        connected(first)
        connected(second)
        send(first, "Do you hear me?")
        for page in (first, second):
            expect(log(page, "user")).to_have_text(["Do you hear me?"])
            expect(log(page, "assistant")).to_have_text(re.compile(r"\w{2,}"))
        listener.until("turn_complete")
        expect(log(second, "assistant")).to_have_text(log(first, "assistant").all_inner_texts())


def test_the_keyboard_is_enough(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the message box")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#composer-text")).to_be_focused()
        page.keyboard.type("Hello there, tell me more.")
        page.keyboard.press("Enter")
        expect(speaking(page)).to_be_visible()
        page.keyboard.press("Escape")
        expect(speaking(page)).to_have_count(0)
        finished(page)
        for name in ("Send", re.compile("Hold to talk"), "Stop"):
            page.keyboard.press("Tab")
            expect(page.get_by_role("button", name=name)).to_be_focused()


LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 4


def test_nothing_is_wider_than_a_phone(server: Server, open_page: OpenPage) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(
            server.url + listener.path,
            viewport={"width": 390, "height": 844},
            has_touch=True,
            is_mobile=True,
        )
        connected(page)
        assert too_wide(page) == []
        send(page, f"{LONG} https://example.org/{LONG}")
        expect(speaking(page)).to_be_visible()
        assert too_wide(page) == []
        page.keyboard.press("Escape")
        expect(page.locator("#title")).not_to_have_text("New conversation")  # a long one
        assert too_wide(page) == []
        page.locator("#rail summary").click()
        assert too_wide(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(
    scheme: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(
            server.url + listener.path, permissions=(), color_scheme=scheme, reduced_motion="reduce"
        )
        connected(page)
        assert violations(page, axe) == []
        send(page, "Hello, both of you!")
        expect(speaking(page)).to_be_visible()
        assert violations(page, axe) == []
        send(page, "And once more, both of you!")  # they may have finished meanwhile
        expect(speaking(page)).to_be_visible()
        page.locator("#talk").press("Space")  # denied, so it is explained
        expect(page.locator("#mic-problem")).to_be_visible()
        expect(page.locator("#log .is-interrupted").first).to_be_visible()
        assert violations(page, axe) == []
