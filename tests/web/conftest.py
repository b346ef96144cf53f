"""Servers and clients that most tests of the web use; a module replaces what it needs otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from support.in_process_server import Server, a_server
from support.login import Door, a_door
from support.page_scripts import Ask, page_parts


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for this machine, with fakes as engines."""
    with a_server() as server:
        yield server


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server that asks for a login."""
    with a_door(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False) as client:
        yield client


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """A browser without scripts; where it is sent next is left to the test."""
    headers = {"accept": "text/html"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as browser:
        yield browser


@pytest.fixture
def client(browser: httpx.Client) -> httpx.Client:
    """A browser that follows redirects."""
    browser.follow_redirects = True
    return browser


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Scripts of the page, in one Node for all examples."""
    with page_parts() as ask:
        yield ask
