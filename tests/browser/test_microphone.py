"""The microphone when the browser asks, pauses it, mutes it or loses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser.chat_page import connected, log
from support.browser.chromium import OpenPage
from support.browser.page_audio import microphone
from support.litestar_run import Server

SAID = "what is the weather like today"
LISTENING = "Listening: press to stop"

WATCHED = """() => {
  window.__mic = { asked: 0, tracks: [], contexts: [] };
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const allowed = new Promise((resolve) => (window.__allow = resolve));
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.__mic.asked += 1;
    await allowed;
    const stream = await ask(wanted);
    window.__mic.tracks.push(...stream.getTracks());
    return stream;
  };
  const Plain = window.AudioContext;
  window.AudioContext = class extends Plain {
    constructor(how) {
      super(how);
      if (!how.sampleRate) window.__mic.contexts.push(this);
    }
  };
}"""
"""Notes what is asked for and made; the permission comes with __allow()."""


RUNNING = """() => new Promise((resolve) => {
  const [context] = window.__mic.contexts;
  const look = () => context.state === "running" && resolve();
  context.addEventListener("statechange", look);
  look();
})"""


@pytest.fixture
def page(server: Server, open_page: OpenPage, tmp_path: Path) -> Page:
    """In a conversation, its microphone watched; it hears the same words again and again."""
    wav = microphone(tmp_path / "said.wav", *[0.6, SAID, 1.5] * 12)
    page = open_page(server.url, wav)
    connected(page)
    page.evaluate(WATCHED)
    return page


def allow(page: Page) -> None:
    page.evaluate("window.__allow()")


def live_tracks(page: Page) -> int:
    count: int = page.evaluate(
        "window.__mic.tracks.filter((track) => track.readyState === 'live').length"
    )
    return count


def assert_one_is_open(page: Page) -> None:
    page.evaluate(RUNNING)
    assert page.evaluate("window.__mic.asked") == 1
    assert page.evaluate("window.__mic.contexts.length") == 1
    assert live_tracks(page) == 1
    expect(page.locator("#mic-problem")).to_be_hidden()


def down(page: Page, how: str) -> None:
    if how == "mouse":
        page.locator("#talk").hover()
        page.mouse.down()
    else:
        page.locator("#talk").focus()
        page.keyboard.down(how)


def up(page: Page, how: str) -> None:
    if how == "mouse":
        page.mouse.up()
    else:
        page.keyboard.up(how)


@pytest.mark.parametrize("how", ["mouse", "Enter", " "])
def test_presses_while_the_browser_asks_open_one_microphone(page: Page, how: str) -> None:
    for _ in range(3):
        down(page, how)
        expect(page.locator("#talk")).to_have_text("One moment…")
        up(page, how)
        expect(page.locator("#talk")).to_have_text("Hold to talk")
    allow(page)
    expect(page.locator("#composer-note")).to_contain_text("The microphone is ready.")
    assert_one_is_open(page)
    down(page, how)
    expect(page.locator("#talk")).to_have_text("Let go to send")
    expect(page.locator("#transcript")).to_contain_text(re.compile(r"\w+ \w"))  # it arrives
    up(page, how)
    expect(log(page, "user")).to_have_count(1)
    assert_one_is_open(page)


def test_a_press_that_is_held_until_the_browser_has_asked_is_heard(page: Page) -> None:
    for _ in range(2):
        down(page, "mouse")
        up(page, "mouse")
    down(page, "mouse")
    allow(page)
    expect(page.locator("#talk")).to_have_text("Let go to send")
    expect(page.locator("#transcript")).to_contain_text(re.compile(r"\w+ \w"))
    up(page, "mouse")
    expect(log(page, "user")).to_have_count(1)
    assert_one_is_open(page)


@pytest.mark.parametrize(
    ("mode", "closed", "opened"),
    [
        ("Toggle", "Press to talk", "Press to send"),
        ("Hands-free", "Start listening", LISTENING),
    ],
)
def test_presses_while_the_browser_asks_count_in_every_mode(
    page: Page, mode: str, closed: str, opened: str
) -> None:
    page.get_by_label(mode).check()
    talk = page.locator("#talk")
    for _ in range(2):
        talk.click()
    expect(talk).to_have_text(closed)
    for _ in range(3):
        talk.press("Enter")
    expect(talk).to_have_text("One moment…")
    allow(page)
    expect(talk).to_have_text(opened)
    assert_one_is_open(page)
    talk.click()
    expect(talk).to_have_text(closed)


def listening(page: Page) -> None:
    """Hands-free, and words arrive."""
    allow(page)
    page.get_by_label("Hands-free").check()
    page.locator("#talk").click()
    expect(page.locator("#talk")).to_have_text(LISTENING)
    expect(page.locator("#recording")).to_be_visible()
    expect(log(page, "user").first).to_be_visible()


def assert_heard_again(page: Page) -> None:
    """Words that are said from now on arrive."""
    expect(page.locator("#talk")).to_have_text(LISTENING)
    expect(page.locator("#mic-problem")).to_be_hidden()
    expect(page.locator("#recording")).to_be_visible()
    expect(log(page, "user").nth(log(page, "user").count())).to_be_visible()


def test_a_context_that_something_suspends_goes_on(page: Page) -> None:
    listening(page)
    for _ in range(2):
        page.evaluate("window.__mic.contexts[0].suspend()")
        page.evaluate(RUNNING)
    assert_heard_again(page)


NO_RESUME = """() => {
  const context = window.__mic.contexts[0];
  context.resume = () => new Promise(() => {});  // as in a phone call
  return context.suspend();
}"""


def test_a_context_that_stays_suspended_is_reported_until_a_press_wakes_it(page: Page) -> None:
    listening(page)
    page.evaluate(NO_RESUME)
    problem = page.get_by_role("region", name="The browser has paused the microphone.")
    expect(problem).to_contain_text("end that, then try again")
    expect(page.locator("#talk")).to_have_text("Microphone paused")
    expect(page.locator("#recording")).to_be_hidden()
    page.locator("#talk").click()
    expect(page.locator("#talk")).to_have_text("Start listening")
    page.locator("#talk").click()  # still impossible: it says so and does not wait for ever
    expect(problem).to_be_visible()
    expect(page.locator("#talk")).to_have_text("Start listening")
    page.evaluate("delete window.__mic.contexts[0].resume")
    page.locator("#talk").click()
    assert_heard_again(page)


def test_while_it_is_held_a_press_anywhere_wakes_it(page: Page) -> None:
    allow(page)
    down(page, "mouse")
    expect(page.locator("#talk")).to_have_text("Let go to send")
    page.evaluate(NO_RESUME)
    expect(page.locator("#talk")).to_have_text("Microphone paused")
    page.evaluate("delete window.__mic.contexts[0].resume")
    page.keyboard.press("Shift")
    expect(page.locator("#talk")).to_have_text("Let go to send")
    expect(page.locator("#mic-problem")).to_be_hidden()
    up(page, "mouse")


MUTED = """(muted) => {
  const [track] = window.__mic.tracks.slice(-1);
  Object.defineProperty(track, "muted", { value: muted, configurable: true });
  track.dispatchEvent(new Event(muted ? "mute" : "unmute"));
}"""


def test_a_microphone_that_the_system_mutes_is_no_listening_one(page: Page) -> None:
    listening(page)
    page.evaluate(MUTED, True)
    expect(page.get_by_role("region", name="The system has muted the microphone.")).to_be_visible()
    expect(page.locator("#talk")).to_have_text("Muted by the system")
    expect(page.locator("#recording")).to_be_hidden()
    page.evaluate(MUTED, False)
    assert_heard_again(page)


def test_a_worklet_that_falls_silent_is_noticed(page: Page) -> None:
    listening(page)
    page.evaluate("""() => {
      const context = window.__mic.contexts[0];
      Object.defineProperty(context, "state", { value: "running", configurable: true });
      return context.suspend();
    }""")
    expect(page.get_by_role("region", name="Nothing comes from the microphone.")).to_be_visible()
    expect(page.locator("#talk")).to_have_text("Nothing is heard")
    page.evaluate("delete window.__mic.contexts[0].state; window.__mic.contexts[0].resume()")
    assert_heard_again(page)


def test_a_microphone_that_is_unplugged_is_reported_and_the_next_press_opens_another(
    page: Page,
) -> None:
    listening(page)
    page.evaluate("""() => {
      const [track] = window.__mic.tracks;
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }""")
    expect(page.get_by_text("The microphone was disconnected.")).to_be_visible()
    expect(page.locator("#talk")).to_have_text("Start listening")
    expect(page.locator("#recording")).to_be_hidden()
    page.locator("#talk").click()
    expect(page.locator("#talk")).to_have_text(LISTENING)
    assert live_tracks(page) == 1
    expect(log(page, "user").nth(log(page, "user").count())).to_be_visible()


def test_while_the_server_is_away_nothing_is_listening(
    own_server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "quiet.wav", 60.0)
    page = open_page(own_server.url, wav, excused="WebSocket|ERR_CONNECTION|net::")
    connected(page)
    page.get_by_label("Hands-free").check()
    page.locator("#talk").click()
    expect(page.locator("#talk")).to_have_text(LISTENING)
    own_server.kill()
    expect(page.locator("#talk")).to_have_text("Not connected")
    expect(page.locator("#recording")).to_be_hidden()
    own_server.start()
    expect(page.locator("#talk")).to_have_text(LISTENING)
    expect(page.locator("#recording")).to_be_visible()
