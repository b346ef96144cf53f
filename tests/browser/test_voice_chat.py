"""Real speech into a real browser, and what comes out of its loudspeaker."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser.chat_page import connected, events, finished, log, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import assert_is_speech, microphone, recorded, recorded_past, room
from support.disconnecting_proxy import Line
from support.litestar_run import Listener, Server
from support.playback_check import after_cut, assert_cut_off, assert_held, assert_whole

pytestmark = pytest.mark.sound

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"
SAID = "what is the weather like today"


def heard_words(text: str) -> int:
    return len(set(SAID.split()) & set(text.lower().split()))


def assert_answered_aloud(page: Page, listener: Listener) -> None:
    """What was said is shown, answered, heard to the last sample, and kept."""
    expect(log(page, "user")).to_have_count(1)
    assert heard_words(log(page, "user").inner_text()) >= 3, log(page, "user").inner_text()
    expect(log(page, "assistant")).to_have_text(re.compile(r"\w{2,}"))
    sent = listener.turn()
    finished(page)
    played = recorded_past(page)
    assert_is_speech(played.samples)
    assert_whole(played, sent)
    assert_kept(page)


def assert_kept(page: Page) -> None:
    shown = page.locator("#log .message-text").all_inner_texts()
    assert len(shown) == 2
    page.reload()
    expect(page.locator("#log .message-text")).to_have_text(shown)


def test_what_is_said_while_the_button_is_held_is_answered_aloud(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "said.wav", 0.6, SAID, 30.0)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        page.locator("#talk").hover()
        page.mouse.down()
        expect(page.locator("#talk")).to_have_text("Let go to send")
        page.evaluate("window.__quiet(700)")
        expect(page.locator("#transcript")).to_contain_text(re.compile(r"\w"))  # while it is said
        assert log(page, "user").count() == 0
        page.mouse.up()
        assert_answered_aloud(page, listener)


def test_hands_free_a_pause_ends_what_is_said(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "said.wav", 0.6, SAID, 30.0)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        page.get_by_label("Hands-free").check()
        page.locator("#talk").click()
        expect(page.locator("#talk")).to_have_text("Listening: press to stop")
        assert_answered_aloud(page, listener)
        connected(page)
        expect(page.get_by_label("Hands-free")).to_be_checked()  # it remembers


def start_speaking(page: Page, text: str = "Hello, tell me about your favourite book.") -> None:
    """Type something and wait until the answer is heard."""
    send(page, text)
    expect(page.locator("#cast .is-speaking")).to_be_visible()
    page.evaluate("window.__recordedPast(performance.now() + 600)")
    assert recorded(page).samples.any(), "somebody is shown as speaking, and nothing is heard"


def assert_shown_as_cut(page: Page) -> None:
    """The page shows what was heard, as it will after a reload."""
    bubble = page.locator("#log .message.is-interrupted").first
    expect(bubble.locator(".when-interrupted")).to_be_visible()
    heard = bubble.locator(".message-text").inner_text()
    whole = bubble.locator(".unheard-text").text_content() or ""
    assert heard
    assert whole.strip().startswith(heard)
    assert whole.strip() != heard
    page.reload()
    expect(bubble.locator(".when-interrupted")).to_be_visible()
    assert bubble.locator(".message-text").inner_text() == heard


def press_stop(page: Page) -> None:
    page.locator("#stop").click()


def press_escape(page: Page) -> None:
    page.keyboard.press("Escape")


def press_talk(page: Page) -> None:
    page.locator("#talk").press("Space")


@pytest.mark.parametrize("stop", [press_stop, press_escape, press_talk])
def test_the_users_wish_silences_them_at_once(
    stop: Callable[[Page], None], server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "quiet.wav", 10.0)
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        start_speaking(page)
        stop(page)
        generation = listener.until("interrupted")["generation"]
        finished(page)
        assert_cut_off(recorded_past(page), listener.sound(generation))
        expect(page.locator("#log .message.is-assistant")).to_have_count(1)  # Mark never began
        assert_shown_as_cut(page)


def test_a_noise_makes_them_hold_and_they_go_on_with_the_next_sample(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "noise.wav", 0.8, room(0.15, level=6_000), 30.0)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        page.get_by_label("Hands-free").check()
        start_speaking(page)
        page.locator("#talk").click()
        generation = listener.until("duck")["generation"]
        listener.until("resume", generation=generation)
        listener.until("turn_complete")
        finished(page)
        assert assert_held(recorded_past(page), listener.sound(generation)), "it never held"
        assert not events(page, "interrupted")
        expect(page.locator("#log .message.is-interrupted")).to_have_count(0)
        assert log(page, "user").count() == 1


def test_what_was_cut_off_is_said_at_the_press_of_a_button(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "quiet.wav", 10.0)
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        start_speaking(page)
        press_stop(page)
        generation = listener.until("interrupted")["generation"]
        finished(page)
        cut = page.locator("#log .message.is-interrupted")
        unheard = cut.locator(".unheard-text").text_content() or ""
        button = page.get_by_role("button", name="Say the rest")
        expect(button).to_be_visible()
        button.click()
        rest = listener.turn()
        finished(page)
        expect(button).to_have_count(0)
        # what was heard, its rest, and Mark, who had not begun
        expect(log(page, "assistant")).to_have_count(3)
        said = log(page, "assistant").all_inner_texts()
        assert said[1]
        assert unheard.strip().endswith(said[1].strip())
        assert_whole(after_cut(recorded_past(page), listener.sound(generation)), rest)


def test_a_line_that_breaks_costs_no_sample_and_repeats_none(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation(OLIVIA) as listener, Line(server.port) as line:
        page = open_page(line.url + listener.path, excused="WebSocket|ERR_CONNECTION_RESET")
        connected(page)
        start_speaking(page)
        line.cut()
        expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
        connected(page)
        generation = events(page, "turn_started")[-1]["generation"]
        listener.until("turn_complete")
        finished(page)
        assert [event["resumed"] for event in events(page, "ready")] == [False, True]
        assert_whole(recorded_past(page), listener.sound(generation))


def test_talking_over_them_silences_them_and_is_answered(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "interrupts.wav", 0.8, SAID, 30.0)
    with server.conversation(OLIVIA, MARK) as listener:
        page = open_page(server.url + listener.path, wav)
        connected(page)
        page.get_by_label("Hands-free").check()
        start_speaking(page)
        page.locator("#talk").click()
        cut = listener.until("interrupted")
        assert cut["reason"] == "barge_in"
        answer = listener.turn()
        finished(page)
        before = listener.sound(cut["generation"])
        assert_whole(after_cut(recorded_past(page), before, may_hold=True), answer)
        assert log(page, "user").count() == 2
        assert_shown_as_cut(page)
