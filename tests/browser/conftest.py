from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from support.browser.axe import fetched
from support.browser.chromium import SCRIPTS, OpenPage, assert_no_problems, chromium, watch
from support.browser.page_audio import ran_dry
from support.litestar_run import Server

expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ran_dry:
        terminalreporter.section("the loudspeaker ran dry: is the machine busy?")
        for test, times in ran_dry.items():
            terminalreporter.line(f"{test}: {times} times")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that leave it alone."""
    yield from running(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose characters, voices, models and settings tests may change."""
    yield from running(tmp_path_factory.mktemp("studio"))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """One that a test may kill."""
    yield from running(tmp_path)


def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One for all tests that need no microphone."""
    with chromium(playwright) as browser:
        yield browser


@pytest.fixture
def open_page(playwright: Playwright, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open pages that are watched: whatever they complain about fails the test."""
    with ExitStack() as open_ones:

        def open_page(
            url: str,
            microphone: Path | None = None,
            permissions: tuple[str, ...] = ("microphone",),
            excused: str = "$^",
            **how: Any,
        ) -> Page:
            browser = (
                open_ones.enter_context(chromium(playwright, microphone))
                if microphone
                else request.getfixturevalue("browser")
            )
            context = browser.new_context(permissions=permissions, **how)
            open_ones.callback(context.close)
            for script in SCRIPTS:
                context.add_init_script(path=script)
            page = context.new_page()
            problems = watch(page)
            page.goto(url)
            open_ones.callback(assert_no_problems, page, problems, excused)
            return page

        yield open_page


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """axe-core's script."""
    if script := fetched(request.config.cache.mkdir("axe-core")):
        return script
    return pytest.skip("axe-core could not be fetched from npm.")
