"""Making somebody to talk with, as a person does who has never read the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser.chat_page import connected, finished, log, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import assert_is_speech, recorded_past
from support.browser.page_checks import REFUSED, fine, played
from support.litestar_run import Server
from support.picture_files import PNG


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=name, exact=True)


def test_a_character_is_made_with_the_keyboard_and_talked_with(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(studio.url)
    page.get_by_role("link", name="Characters").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="New character").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name").focus()
    page.keyboard.type("Nora Quill")
    page.keyboard.press("Tab")
    page.keyboard.type("You are Nora, who keeps a lighthouse. You are calm.")
    tab(page, "Who").focus()
    page.keyboard.press("ArrowRight")
    expect(tab(page, "Voice")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("How does it sound?")).to_be_focused()
    page.keyboard.type("Female, Scottish, slow")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    played(page, page.locator("#heard audio"))
    expect(page.get_by_role("button", name="Listen")).to_be_focused()
    expect(page.get_by_label("How does it sound?")).to_have_value("Female, Scottish, slow")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Nora Quill is saved.")
    expect(page).to_have_url(re.compile("/characters/nora-quill-001$"))
    page.get_by_role("button", name="Talk").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/c/"))
    connected(page)
    send(page, "Who are you?")
    expect(log(page, "assistant")).to_have_count(1)
    finished(page)
    expect(page.locator("#log .message.is-assistant .message-name")).to_have_text(["Nora Quill"])
    assert_is_speech(recorded_past(page).samples)


def test_a_character_answers_aloud_before_it_is_kept(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/characters", excused=REFUSED)
    count = page.locator(".cards .card").count()
    page.get_by_role("link", name="New character").click()
    page.get_by_label("Name").fill("Nobody Yet")
    page.get_by_label("Who is it").fill("You are a cheerful cook.")
    page.get_by_label("You say").fill("What is for dinner?")
    page.evaluate(
        """() => {
            const make = BaseAudioContext.prototype.createBuffer;
            window.pieces = 0;
            BaseAudioContext.prototype.createBuffer = function (...how) {
                window.pieces += 1;
                return make.apply(this, how);
            };
        }"""
    )
    page.get_by_label("You say").press("Enter")
    expect(page.locator("#tryout-answer")).to_have_text(re.compile(r"\w{3,}.*[.?!]"))
    player = page.locator("#tryout-player")
    expect(player).to_be_visible()  # it has sounded, and can be heard again
    assert page.evaluate("window.pieces") > 0
    player.evaluate("(one) => one.play()")
    played(page, player)
    assert 0.5 < player.evaluate("(one) => one.duration") < 60
    page.get_by_label("You say").fill("")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#tryout-answer")).to_contain_text("There is nothing to answer.")
    expect(page.get_by_label("Who is it")).to_have_value("You are a cheerful cook.")
    page.goto(f"{studio.url}/characters")
    expect(page.locator(".cards .card")).to_have_count(count)


def test_what_is_wrong_is_told_on_its_tab(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/characters/new", excused=REFUSED)
    page.get_by_label("Name").fill("Wrong One")
    tab(page, "Model").click()
    page.get_by_label("Temperature").fill("7")
    page.get_by_label("Temperature").press("Enter")
    expect(tab(page, "Model")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Temperature")).to_have_value("7")
    expect(page.get_by_label("Temperature")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#field-temperature-problem")).to_have_text("At most 2.0, please.")
    expect(page.get_by_label("Temperature")).to_be_focused()
    tab(page, "Who").click()
    expect(page.get_by_label("Name")).to_have_value("Wrong One")


def test_a_picture_is_uploaded_chosen_and_taken_out(
    studio: Server, open_page: OpenPage, tmp_path: Path, axe: str
) -> None:
    (tmp_path / "me.png").write_bytes(PNG)
    (tmp_path / "no.png").write_bytes(b"nothing")
    page = open_page(f"{studio.url}/characters/new", excused=REFUSED)
    page.get_by_label("Name").fill("Pictured")
    tab(page, "Pictures").click()
    page.get_by_label("Add a picture").set_input_files(tmp_path / "no.png")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#field-file-problem")).to_contain_text("no picture that can be read")
    page.get_by_label("Add a picture").set_input_files(tmp_path / "me.png")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_label("Picture 1", exact=True)).to_be_checked()
    fine(page, axe)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Pictured is saved.")
    tab(page, "Pictures").click()
    page.get_by_role("button", name="Remove picture 1").click()
    expect(page.get_by_label("Drawn face")).to_be_checked()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Pictured is saved.")
    tab(page, "Pictures").click()
    expect(page.locator(".picture")).to_have_count(1)


def test_characters_are_found_rested_and_deleted(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/characters")
    page.get_by_label("Find").fill("bridge")
    page.get_by_label("Find").press("Enter")
    expect(page.locator(".card-title")).to_have_text(["Mark Chen"])
    switch = page.get_by_role("switch", name="Takes part : Mark Chen")
    switch.focus()
    page.keyboard.press("Space")
    expect(page.locator(".toast")).to_contain_text("Mark Chen rests.")
    expect(switch).to_be_focused()
    page.reload()
    expect(switch).not_to_be_checked()
    page.get_by_role("button", name="Duplicate Mark Chen").click()
    expect(page.get_by_label("Name")).to_have_value("Mark Chen (copy)")
    page.get_by_role("button", name="Delete Mark Chen (copy)").click()
    gone = page.locator(".toast.is-undo", has_text="Mark Chen (copy) was deleted.")
    gone.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator(".toast", has_text="Mark Chen (copy) is back.")).to_be_visible()
    page.get_by_role("link", name="Edit Mark Chen (copy)").click()
    page.get_by_role("button", name="Delete Mark Chen (copy)").click()
    expect(page.locator(".card-title")).not_to_contain_text(["Mark Chen (copy)"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_pages(
    studio: Server, open_page: OpenPage, axe: str, scheme: str
) -> None:
    page = open_page(f"{studio.url}/characters", color_scheme=scheme)
    fine(page, axe)
    page.goto(f"{studio.url}/characters/olivia-barns-001")
    for name in ("Who", "Voice", "Model", "Pictures", "Advanced"):
        tab(page, name).click()
        fine(page, axe)
    page.get_by_role("button", name="Delete Olivia Barns").click()
    undo = page.locator("#undo-olivia-barns-001").get_by_role("button", name="Undo")
    expect(undo).to_be_visible()  # the click leads to another page, which must be there first
    fine(page, axe)
    undo.click()
    expect(page.locator(".toast", has_text="Olivia Barns is back.")).to_be_visible()


def test_without_scripts_a_character_is_made_tried_and_talked_with(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/characters/new", java_script_enabled=False)
    page.locator("#field-name").fill("Plain Jane")
    page.locator("#field-system_prompt").fill("You are Jane.")
    page.locator("#field-new_voice").fill("Female, low")
    page.locator("#field-say").fill("Hello?")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#tryout-answer")).to_have_text(re.compile(r"\w"))
    expect(page.locator("#field-new_voice")).to_have_value("Female, low")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Plain Jane is saved.")
    page.get_by_role("button", name="Talk").click()
    expect(page).to_have_url(re.compile("/c/"))
