"""Making voices: described, compared, and cloned from a microphone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.audio_files import tone, wav
from support.browser.chromium import OpenPage
from support.browser.page_audio import microphone
from support.browser.page_checks import REFUSED, fine, played
from support.litestar_run import Server


def test_a_voice_is_described_compared_and_kept_with_the_keyboard(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/voices")
    page.get_by_role("link", name="Describe").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name").focus()
    page.keyboard.type("Harbour")
    page.keyboard.press("Tab")
    page.keyboard.type("Male, Scottish, deep")
    page.get_by_role("button", name="Listen").focus()
    page.keyboard.press("Enter")
    played(page, page.get_by_label("Take A"))
    another = page.get_by_role("button", name="Another take")
    another.focus()
    page.keyboard.press("Enter")
    played(page, page.get_by_label("Take B"))
    expect(another).to_be_focused()
    first, second = (page.get_by_label(f"Take {one}").get_attribute("src") for one in "AB")
    assert first != second
    page.get_by_role("radio", name="A").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="B")).to_be_checked()
    page.get_by_label("How does it sound?").press("End")
    page.keyboard.type(", slow")
    another.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".take")).to_have_count(3)
    expect(page.get_by_text("from an earlier text")).to_have_count(2)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("The voice Harbour is saved.")
    page.get_by_role("link", name="Edit Harbour").click()
    expect(page.get_by_label("How does it sound?")).to_have_value("Male, Scottish, deep, slow")


def test_voices_of_the_library_are_compared_and_never_talk_at_once(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/voices")
    page.get_by_label("Sample sentence").fill("One after the other, please, and not at once.")
    page.get_by_role("button", name="Listen to Mark").click()
    first = page.get_by_label("A: Mark")
    played(page, first)
    page.get_by_role("button", name="Listen to Rosa").click()
    second = page.get_by_label("B: Rosa")
    played(page, second)
    first = page.get_by_label("A: Mark")
    first.evaluate("one => one.play()")
    assert second.evaluate("one => one.paused")
    assert not first.evaluate("one => one.paused")


def test_a_voice_in_use_says_by_whom_and_stays(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/voices")
    page.get_by_role("link", name="Edit Olivia").click()
    expect(page.locator(".lead")).to_contain_text("Used by Olivia Barns")
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete Olivia").click()
    expect(page.locator(".toast")).to_contain_text("Olivia Barns")
    expect(page.get_by_role("heading", name="Olivia", level=1)).to_be_visible()


@pytest.mark.sound
def test_a_voice_is_recorded_written_down_heard_and_kept(
    studio: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    said = microphone(tmp_path / "said.wav", 0.3, "what is the weather like today", 30.0)
    page = open_page(f"{studio.url}/voices/clone", said, excused=REFUSED)
    page.get_by_label("Name").fill("My own")
    page.get_by_role("button", name="Record").click()
    expect(page.locator(".recorder-time")).to_have_text("3 s of 60")
    assert page.locator("meter").evaluate("one => one.value") >= 0
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_label("What was recorded")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#field-consent-problem")).to_contain_text("consent is missing")
    words = page.get_by_label("Transcript").input_value().split()
    assert len({"what", "is", "the", "weather", "like", "today"} & set(words)) >= 3, words
    page.get_by_role("button", name="Listen").click()
    played(page, page.get_by_label("Take A"))
    page.get_by_label("The person heard").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("The voice My own is saved.")
    page.get_by_role("link", name="Edit My own").click()
    clip = page.get_by_label("The clip", exact=True)
    clip.evaluate("one => { one.preload = 'auto'; one.load(); }")
    page.wait_for_function("one => one.duration > 1", arg=clip.element_handle())


def test_a_microphone_that_may_not_be_used_is_told(studio: Server, open_page: OpenPage) -> None:
    page = open_page(f"{studio.url}/voices/clone", permissions=())
    page.get_by_role("button", name="Record").click()
    expect(page.locator("[data-recorder-status]")).to_contain_text("may not use the microphone")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_pages(
    studio: Server, open_page: OpenPage, axe: str, scheme: str
) -> None:
    page = open_page(f"{studio.url}/voices", color_scheme=scheme, excused=REFUSED)
    page.get_by_role("button", name="Listen to Rosa").click()
    expect(page.locator(".take")).to_have_count(1)
    fine(page, axe)
    page.goto(f"{studio.url}/voices/describe")
    page.get_by_role("button", name="Another take").click()
    expect(page.locator(".take")).to_have_count(1)
    fine(page, axe)
    page.goto(f"{studio.url}/voices/clone")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#field-voice-problem")).to_be_visible()
    fine(page, axe)


def test_without_scripts_voices_are_described_heard_and_cloned(
    studio: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "me.wav").write_bytes(wav(tone()))
    page = open_page(f"{studio.url}/voices/describe", java_script_enabled=False)
    page.locator("#field-voice").fill("Unscripted")
    page.locator("#field-speaker_desc").fill("Female, high")
    page.get_by_role("button", name="Listen").click()
    expect(page.locator(".take audio")).to_have_count(1)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Unscripted is saved.")
    page.get_by_role("button", name="Listen to Unscripted").click()
    expect(page.locator(".take-name")).to_have_text(["Unscripted"])
    page.goto(f"{studio.url}/voices/clone")
    page.locator("#field-voice").fill("From a file")
    page.locator("#field-file").set_input_files(tmp_path / "me.wav")
    page.locator("#field-transcript").fill("Ah, ah, ah.")
    page.locator("#field-consent").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("From a file is saved.")
