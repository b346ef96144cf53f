"""Takes screenshots of every page.

    python tests/support/browser/screenshots.py FOLDER [WORD...]

Each is made at a desktop's size and a phone's, light and dark; words pick by name.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Page, sync_playwright

from support.browser.chat_page import finished, send
from support.browser.chromium import chromium
from support.litestar_run import Server

PAGES = {
    "chat": "/",
    "characters": "/characters",
    "voices": "/voices",
    "models": "/models",
    "speech": "/speech",
    "agents": "/agents",
    "settings": "/settings",
    "components": "/components",
    "lost": "/no/such/page",
}
STATES = {
    "talk": "/",
    "stopped": "/",
    "inspect": "/",
    "call": "/",
    "narrow": "/characters",
    "keys": "/agents",
    "toast": "/agents",
    "dialog": "/components",
    "offline": "/voices",
}
"""Pages in a state that something has to be done for."""
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def shoot(page: Page, server: Server, folder: Path, name: str, path: str) -> None:
    page.goto(server.url + path)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)  # the socket's word about itself
    if path == "/" and name != "chat":
        finished(page)
    prepare(page, server, name.split("-")[0])
    page.screenshot(
        path=folder / f"{name}.png", full_page=name.split("-")[0] not in ("chat", *STATES)
    )


def prepare(page: Page, server: Server, state: str) -> None:
    """Bring a page into a state."""
    if state in ("talk", "stopped", "inspect"):
        send(page, "Mark, Olivia: tea or coffee, and why?")
        page.locator("#cast .is-speaking").wait_for()
        page.wait_for_timeout(2_500)
    if state in ("stopped", "inspect"):
        page.locator("#stop").click()
        page.locator(".is-interrupted").wait_for()
    if state == "inspect":
        message = page.locator(".is-interrupted")
        message.hover()
        message.get_by_text("More").click()
        message.get_by_role("link", name="Inspect").click()
        page.locator("#panel-dialog").wait_for()
    elif state == "call":
        page.locator("#call").click()
        page.wait_for_timeout(1_000)
    elif state == "narrow":
        page.evaluate("document.documentElement.dataset.rail = 'narrow'")
    elif state == "keys":
        page.keyboard.press("?")
    elif state == "toast":
        page.get_by_role("switch").first.click()
        page.locator(".toast").wait_for()
    elif state == "dialog":
        page.get_by_role("link", name="Open a dialog").click()
    elif state == "offline":
        server.kill()
        page.locator("#offline").wait_for()
        server.start()


def main(folder: Path, words: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(Path(tempfile.mkdtemp()))
    server.start()
    try:
        with sync_playwright() as playwright, chromium(playwright) as browser:
            for (size, (width, height)), scheme in product(SIZES.items(), ("light", "dark")):
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    is_mobile=size == "phone",
                    permissions=["microphone"],
                )
                page = context.new_page()
                for name, path in {**PAGES, **STATES}.items():
                    full = f"{name}-{size}-{scheme}"
                    if not words or any(word in full for word in words):
                        shoot(page, server, folder, full, path)
                context.close()
    finally:
        server.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
