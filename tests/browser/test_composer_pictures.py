"""Pictures in what the user writes: chosen, pasted or dropped, uploaded, shown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, finished, rich
from support.browser.chromium import OpenPage
from support.litestar_run import Server
from support.picture_files import PNG

OLIVIA = "olivia-barns-001"
BRING = """([kind, type, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const box = document.getElementById("composer-text");
  const { left, top } = box.getBoundingClientRect();
  const place = { clientX: left + 30, clientY: top + 15, bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, ...place });
  box.dispatchEvent(event);
}"""


def bring(page: Page, kind: str, name: str, content: bytes, type: str = "image/png") -> None:
    """Paste or drop a file, as the browser tells of it."""
    page.evaluate(BRING, [kind, type, name, base64.b64encode(content).decode()])


def test_a_picture_is_uploaded_with_the_keyboard_and_shown_to_everybody(
    server: Server, open_page: OpenPage, tmp_path: Path, axe: str
) -> None:
    (tmp_path / "my-tea_pot.png").write_bytes(PNG)
    with server.conversation(OLIVIA) as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        box = rich(page)
        box.focus()
        page.keyboard.type("Look: ")
        button = page.get_by_role("button", name="Upload a picture")
        with page.expect_file_chooser() as chosen:
            button.press("Enter")
        chosen.value.set_files(tmp_path / "my-tea_pot.png")
        shows = page.locator("#composer-picture input")
        expect(shows).to_be_focused()
        expect(page.locator("#composer-picture img")).to_be_visible()
        assert violations(page, axe) == []
        page.keyboard.type("A [blue] pot")
        page.keyboard.press("Enter")
        expect(box).to_be_focused()
        expect(box.get_by_role("img", name="A [blue] pot")).to_be_visible()
        page.keyboard.type(" nice?")
        page.keyboard.press("Enter")
        listener.until("turn_started")
        picture = page.locator("#log").get_by_role("img", name="A (blue) pot")
        expect(picture).to_have_js_property("naturalWidth", 800)
        expect(page.locator("#log")).to_contain_text("nice?")
        page.keyboard.press("Escape")
        finished(page)


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_and_dropped(server: Server, open_page: OpenPage, kind: str) -> None:
    page = open_page(server.url)
    connected(page)
    box = rich(page)
    box.click()
    bring(page, kind, "image.png", PNG)
    expect(page.locator("#composer-picture input")).to_be_focused()
    page.keyboard.press("Enter")  # it is put in as soon as it is there
    expect(box.get_by_role("img", name="Picture")).to_be_visible()
    expect(page.locator("#composer-picture")).to_be_hidden()


def test_what_cannot_be_uploaded_is_told_and_leaves_the_text_alone(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server.url, excused="400 |ERR_FAILED")
    connected(page)
    box = rich(page)
    box.click()
    page.keyboard.type("Words")
    toasts = page.locator("#toasts")
    bring(page, "drop", "notes.txt", b"text", "text/plain")
    expect(toasts).to_contain_text("Only pictures can be added here")
    bring(page, "paste", "broken.png", b"no picture")
    expect(toasts).to_contain_text("broken.png: The file is no picture that can be read.")
    expect(box).to_be_focused()

    def cut_off(route: Route) -> None:
        route.abort()

    page.route("**/api/images", cut_off)
    bring(page, "paste", "tea.png", PNG)
    expect(toasts).to_contain_text("tea.png: The server cannot be reached. Try again.")
    expect(page.locator("#composer-picture")).to_be_hidden()
    expect(box).to_have_text("Words")
