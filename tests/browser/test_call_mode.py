"""Call mode: captions and tiles, the microphone's modes and keys, and why it cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, events, finished, log, rich, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import microphone, recorded_past
from support.disconnecting_proxy import Line
from support.litestar_run import Server
from support.playback_check import after_cut, assert_whole

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"
SAID = "what is the weather like today"
LISTENING = "Listening: press to stop"


def join(page: Page) -> None:
    page.locator("#call").click()
    expect(page.locator("body")).to_have_class(re.compile("is-call"))


@pytest.mark.sound
def test_in_a_call_one_talks_is_answered_by_both_and_ends_it(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "said.wav", 1.0, SAID, 60.0)
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        join(page)
        expect(page).to_have_url(re.compile("#call$"))
        expect(page.locator("#talk")).to_have_text(LISTENING)  # who never chose talks hands-free
        expect(page.locator("#talk")).to_be_focused()
        expect(page.locator("#recording")).to_be_visible()
        speaking = page.locator("#log .message.is-speaking")
        expect(speaking).to_be_visible()
        tile = page.locator("#cast .is-speaking")
        expect(tile.locator(".when-speaking")).to_be_visible()
        last = page.locator("#log .message:visible").last
        expect(last).to_have_class(re.compile("is-speaking"))  # what is not yet said is not shown
        sent = listener.turn()
        finished(page)
        assert_whole(recorded_past(page), sent)
        page.get_by_role("button", name="End call").click()
        expect(page.locator("#call")).to_be_focused()
        expect(page).not_to_have_url(re.compile("#call$"))
        expect(page.locator("#talk")).to_have_text("Hold to talk")
        expect(page.locator("#recording")).to_be_hidden()
        expect(rich(page)).to_be_visible()


@pytest.mark.sound
def test_talking_over_them_in_a_call_silences_them(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "interrupts.wav", 1.5, SAID, 30.0)
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        send(page, "Hello, tell me about your favourite book.")
        expect(page.locator("#cast .is-speaking")).to_be_visible()
        join(page)
        cut = listener.until("interrupted")
        assert cut["reason"] == "barge_in"
        answer = listener.turn()
        finished(page)
        before = listener.sound(cut["generation"])
        assert_whole(after_cut(recorded_past(page), before, may_hold=True), answer)
        assert log(page, "user").count() == 2


def test_keys_mute_hold_and_interrupt_unless_they_are_switched_off(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "quiet.wav", 60.0)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        join(page)
        talk, mute = page.locator("#talk"), page.locator("#mute")
        expect(talk).to_have_text(LISTENING)
        for told in ("Microphone muted", LISTENING):
            talk.press("m")  # where the focus is after joining with the keyboard
            expect(talk).to_have_text(told)
        page.locator("#scroller").focus()
        page.keyboard.press("m")
        expect(talk).to_have_text("Microphone muted")
        expect(mute).to_have_attribute("aria-pressed", "true")
        page.keyboard.down("Space")
        expect(talk).to_have_text("Let go of Space to send")  # muted otherwise: a walkie-talkie
        page.keyboard.up("Space")
        expect(talk).to_have_text("Microphone muted")
        mute.click()
        expect(talk).to_have_text(LISTENING)
        page.locator("#scroller").focus()
        page.keyboard.down("Space")
        expect(talk).to_have_text("Let go of Space to send")
        page.keyboard.up("Space")
        expect(talk).to_have_text(LISTENING)
        page.evaluate("document.documentElement.dataset.shortcuts = 'off'")
        page.keyboard.press("m")
        expect(talk).to_have_text(LISTENING)
        page.go_back()
        expect(page.locator("body")).not_to_have_class(re.compile("is-call"))


@pytest.mark.sound
def test_toggle_sends_at_the_second_press(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "said.wav", 0.6, SAID, 30.0)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        page.get_by_label("Toggle").check()
        talk = page.locator("#talk")
        expect(talk).to_have_text("Press to talk")
        talk.press("Enter")
        expect(talk).to_have_text("Press to send")
        expect(page.locator("#transcript")).to_contain_text(re.compile(r"\w"))
        page.evaluate("window.__quiet(700)")
        assert log(page, "user").count() == 0  # a pause ends nothing
        talk.press("Enter")
        expect(log(page, "user")).to_have_count(1)
        listener.turn()
        finished(page)


def test_a_call_that_is_opened_by_its_address_waits_to_be_joined(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA) as listener:
        page = open_page(f"{server.url}{listener.path}#call")
        connected(page)
        expect(page.locator("body")).not_to_have_class(re.compile("is-call"))
        page.get_by_role("button", name="Join the call").click()
        expect(page.locator("#talk")).to_have_text(LISTENING)
        page.get_by_role("button", name="End call").click()


@pytest.mark.sound
def test_a_line_that_breaks_does_not_end_the_call(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "quiet.wav", 60.0)
    with server.conversation(OLIVIA, MARK) as listener, Line(server.port) as line:
        page = open_page(line.url + listener.path, wav, excused="WebSocket|ERR_CONNECTION_RESET")
        connected(page)
        send(page, "@Olivia and @Mark, good morning!")
        expect(page.locator("#cast .is-speaking")).to_be_visible()
        join(page)
        line.cut()
        expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
        connected(page)
        sent = listener.turn()
        finished(page)
        expect(page.locator("body")).to_have_class(re.compile("is-call"))
        expect(page.locator("#talk")).to_have_text(LISTENING)
        assert [event["resumed"] for event in events(page, "ready")] == [False, True]
        assert_whole(recorded_past(page), sent)
        shown = page.locator("#log .message.is-assistant .message-text").all_text_contents()
        page.goto(server.url + listener.path)
        kept = page.locator("#log .message.is-assistant .message-text").all_text_contents()
        assert [one.strip() for one in shown] == [one.strip() for one in kept]


NO_DEVICE = """navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("Requested device not found", "NotFoundError");
};"""
INSECURE = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"


@pytest.mark.parametrize(
    ("script", "what", "mend"),
    [
        ("", "The browser may not use the microphone.", "Allow it in the browser's settings"),
        (NO_DEVICE, "No microphone was found.", "Plug one in"),
        (INSECURE, "Browsers give the microphone to secure pages only.", "https://"),
    ],
)
def test_why_the_microphone_cannot_be_used_is_said_with_the_mend(
    script: str, what: str, mend: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    page = open_page(server.url, permissions=())
    connected(page)
    page.evaluate(f"() => {{ {script} }}")
    join(page)
    problem = page.get_by_role("region", name=what)
    expect(problem).to_contain_text(mend)
    assert violations(page, axe) == []
    if script == "":
        page.context.grant_permissions(["microphone"])  # in the browser's settings, say
        expect(problem).to_be_hidden()
        expect(page.locator("#talk")).to_have_text(LISTENING)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_has_nothing_against_a_call_and_nothing_is_wider_than_the_window(
    width: int, scheme: str, server: Server, open_page: OpenPage, axe: str
) -> None:
    with server.conversation(OLIVIA, MARK) as listener:
        how = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}
        page = open_page(server.url + listener.path, reduced_motion="reduce", **how)
        page.evaluate("localStorage.setItem('aichat.microphone', 'hold')")  # it would hear beeps
        connected(page)
        send(page, "@Olivia and @Mark, good morning!")
        join(page)
        expect(page.locator("#cast .is-speaking")).to_be_visible()
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
        finished(page)
