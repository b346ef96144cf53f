"""Logging in with a real browser, by the address that the server prints."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser.chat_page import connected, events, finished, log, send
from support.browser.chromium import OpenPage
from support.litestar_run import Server

LITESTAR = Path(sys.executable).with_name("litestar")
CLOSED = "WebSocket connection|the server responded with a status of 40"


def serving(folder: Path, *settings: tuple[str, str]) -> Iterator[Server]:
    server = Server(folder, settings=settings)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server that asks people to log in."""
    yield from serving(tmp_path, ('access = "local"', 'access = "token"'))


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    """A server that finds a page silent long before its next ping."""
    yield from serving(tmp_path, ("max_silence_s = 300", "max_silence_s = 1"))


def login_address(server: Server) -> str:
    while not (found := re.search(r"Log in at (\S+)", "".join(server.said))):
        assert server.process
        assert server.process.poll() is None
    return found[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_printed_address_logs_a_browser_in_and_out(
    guarded: Server, open_page: OpenPage, host: str
) -> None:
    url = guarded.url.replace("127.0.0.1", host)
    page = open_page(url, excused=CLOSED)
    expect(page).to_have_url(url + "/login")
    expect(page.get_by_label("Name")).to_be_visible()

    page.goto(login_address(guarded).replace("127.0.0.1", host))
    page.get_by_role("button", name="Log in").click()
    expect(page).not_to_have_url(re.compile("code="))
    connected(page)
    send(page, "@Olivia, hello")
    expect(log(page, "assistant")).to_have_text(re.compile(r"\w"))
    page.keyboard.press("Escape")
    finished(page)
    assert "code=" not in page.url

    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert cookie["value"] not in page.content()
    page.reload()
    connected(page)  # the login outlives the page

    other = page.context.new_page()
    other.goto(url)
    connected(other)
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(url + "/login")
    expect(other.locator("#connection")).to_have_attribute("data-state", "refused")
    expect(other.locator("#toasts")).to_contain_text("not logged in")
    assert not page.context.cookies()


def test_a_passphrase_logs_a_browser_in_and_leads_back(
    guarded: Server, open_page: OpenPage
) -> None:
    made = subprocess.run(
        [LITESTAR, "aichat", "token", "new", "ada"],
        cwd=guarded.folder,
        env=guarded.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    page = open_page(guarded.url + "/c/nowhere", excused=CLOSED)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Token or passphrase").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("No token has this name")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Token or passphrase").fill(made.stdout.strip())
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(guarded.url + "/c/nowhere")
    expect(page.locator(".error-code")).to_have_text("404")


def test_a_page_that_was_silent_for_too_long_comes_back(
    strict: Server, open_page: OpenPage
) -> None:
    """As one on a computer that slept, whose pings did not come."""
    page = open_page(strict.url)
    while len(events(page, "ready")) < 3:
        page.wait_for_timeout(100)
    connected(page)
    first, second, *_ = events(page, "ready")
    assert (first["resumed"], second["resumed"]) == (False, True)
