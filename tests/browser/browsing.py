"""A Chromium with a microphone, and a watch on what its pages complain about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from install import found
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

HERE = Path(__file__).parent
SCRIPTS = ("recorder.js", "witness.js")
SWITCHES = (
    "--disable-gpu",
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=user-gesture-required",  # headless browsers are laxer than people's
)

OpenPage = Callable[..., Page]


@contextmanager
def chromium(playwright: Playwright, microphone: Path | None = None) -> Iterator[Browser]:
    """A browser; its microphone plays a file once, from the moment at which it is opened."""
    path = found()
    if path is None:
        pytest.skip("There is no Chromium: run `python tests/browser/install.py`.")
    heard = [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
    browser = playwright.chromium.launch(executable_path=path, args=[*SWITCHES, *heard])
    try:
        yield browser
    finally:
        browser.close()


def watch(page: Page) -> list[str]:
    problems: list[str] = []
    page.on(
        "console",
        lambda said: (
            problems.append(f"{said.type}: {said.text} ({said.location['url']})")
            if said.type in ("error", "warning")
            else None
        ),
    )
    page.on("pageerror", lambda error: problems.append(f"{error.name}: {error.message}"))
    page.on("crash", lambda _: problems.append("the page crashed"))
    return problems


def assert_no_problems(page: Page, problems: list[str], excused: str) -> None:
    refused = page.evaluate("window.__witness.violations")
    known = re.compile(excused)
    left = [*refused, *(problem for problem in problems if not known.search(problem))]
    assert not left, left


def events(page: Page, type_: str) -> list[dict[str, Any]]:
    """What the page was told of a type."""
    told: list[dict[str, Any]] = page.evaluate("window.__witness.events")
    return [event for event in told if event["type"] == type_]


def log(page: Page, role: str) -> Locator:
    """What they said."""
    return page.locator(f"#log .message.is-{role} .message-text")


def connected(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected")


def finished(page: Page) -> None:
    """Wait until nobody speaks, nor is about to."""
    expect(page.locator("#stop")).to_have_attribute("aria-disabled", "true")


def send(page: Page, text: str) -> None:
    """Type a message."""
    page.locator("#composer-text").fill(text)
    page.locator("#composer-text").press("Enter")


def rich(page: Page) -> Locator:
    """The rich box to type in, as soon as it has come."""
    expect(page.locator("#composer")).to_have_attribute("data-rich", "yes")
    return page.locator("#composer-text")
