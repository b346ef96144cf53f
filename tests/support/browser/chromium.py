"""A Chromium with a microphone, and a watch on what its pages complain about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from support.browser.install_chromium import found

SCRIPTS = [Path(__file__).with_name(name) for name in ("recorder.js", "witness.js")]
"""Injected before a page's own."""

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
        pytest.skip("There is no Chromium: run `make browser`.")
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
