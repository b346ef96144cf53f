"""Checks of a page: it is accessible, fits on a phone, and its player has played."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from support.browser.axe import violations

TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
  : [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth)
      .map((one) => `${one.tagName} ${one.className}`)"""
"""What sticks out, if the page can be scrolled sideways."""
CUT_OFF = (
    "ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED"
    "|ERR_CONTENT_LENGTH_MISMATCH|WebSocket connection"
)
"""What Chromium says of a server that is gone, or goes while it is asked."""
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


def too_wide(page: Page) -> list[str]:
    """What can be seen, or scrolled to, beyond the right edge."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll("body, body *")]
            .filter((one) => !one.closest(".unseen, .skip"))
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5
                || (one.scrollWidth > one.clientWidth + 1
                    && /auto|scroll/.test(getComputedStyle(one).overflowX)))
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    return found
