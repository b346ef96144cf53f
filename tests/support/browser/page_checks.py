"""Checks of a page: it is accessible, fits on a phone, and its player has played."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from support.browser.axe import violations

TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
  : [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth)
      .map((one) => `${one.tagName} ${one.className}`)"""
"""What sticks out, if the page can be scrolled sideways."""
REFUSED = "status of 400"
"""What Chromium says of a form that was answered with what is wrong with it."""


def played(page: Page, player: Locator) -> None:
    """Wait until a player has played something, or is past its end."""
    expect(player).to_be_visible()
    page.wait_for_function("one => one.currentTime > 0", arg=player.element_handle())


def fine(page: Page, axe: str) -> None:
    """Everybody can use the page as it is now, and it fits on a phone."""
    found = violations(page, axe)
    assert found == [], found
    desktop = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(TOO_WIDE) == []
    page.set_viewport_size(desktop)
