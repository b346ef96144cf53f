"""The page of a chat, used as a person does: send a message, wait until all is said."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect


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
