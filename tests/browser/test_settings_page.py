"""Settings and Speech in a real browser: data in and out, devices, and what is announced."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Route, expect

from support.browser.chat_page import connected, finished, log, send
from support.browser.chromium import OpenPage
from support.browser.page_audio import microphone
from support.litestar_run import Server


def test_all_data_leaves_in_a_file_and_comes_back(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/settings", excused="400")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").press("Enter")
    file = tmp_path / download.value.suggested_filename
    assert re.fullmatch(r"aichat-\d{4}-\d\d-\d\d\.zip", file.name)
    download.value.save_as(file)
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import").press("Enter")
    expect(page.locator("#toasts .toast.is-good")).to_contain_text("were here already")
    expect(page.locator("#import-progress")).to_be_hidden()
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"This is no zip.")
    page.get_by_label("File", exact=True).set_input_files(wrong)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#toasts .toast.is-bad")).to_contain_text("The file is no zip archive.")


def test_an_import_on_its_way_can_be_cancelled(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/settings", excused="ERR_FAILED|ERR_ABORTED")
    held: list[Route] = []
    page.route("**/settings/import?job=*", lambda route: held.append(route))
    file = tmp_path / "a.zip"
    file.write_bytes(bytes(1_000))
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import").click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    cancel.press("Enter")
    expect(cancel).to_be_hidden()
    expect(page.get_by_role("button", name="Import")).to_be_focused()
    expect(page.locator("#toasts .toast.is-good")).to_contain_text("Everything is as it was.")
    for route in held:
        route.abort()


def test_what_new_conversations_begin_with_is_kept_and_checked(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/settings", excused="400")
    cap = page.get_by_label("Replies to one message, at most")
    cap.fill("2")
    cap.press("Enter")
    expect(page.locator("#toasts .toast")).to_contain_text(
        "new conversations start with these settings"
    )
    page.reload()
    expect(cap).to_have_value("2")
    cap.evaluate("(field) => (field.max = 9999)")
    cap.fill("999")
    cap.press("Enter")
    expect(page.locator("#toasts .toast.is-bad")).to_contain_text("At most 50, please.")
    expect(cap).to_have_value("999")
    cap.fill("")
    cap.press("Enter")
    expect(page.locator("#toasts .toast.is-good")).to_be_visible()


def test_one_hears_oneself_by_way_of_the_server_and_sees_how_long_it_takes(
    server: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    wav = microphone(tmp_path / "said.wav", 0.3, "One, two, three, do you hear me well?", 30.0)
    page = open_page(f"{server.url}/speech", microphone=wav)
    page.get_by_role("button", name="Test the microphone").press("Enter")
    expect(page.locator("#test-state")).to_have_text("Speak now.")
    expect(page.locator("#level-word")).not_to_have_text("Level: silent")
    expect(page.locator("#test-state")).to_have_text("Done: microphone and connection work.")
    for figure in ("ping", "echo"):
        told = page.locator(f"[data-figure={figure}]").inner_text()
        assert re.match(r"\d+(\.\d)? ms", told), told
    page.get_by_label("High").check(force=True)
    assert page.evaluate("localStorage.getItem('aichat.sensitivity')") == "high"
    names = page.get_by_label("Microphone", exact=True).locator("option").all_inner_texts()
    assert len(names) > 1
    page.get_by_label("Microphone", exact=True).select_option(index=1)
    page.reload()
    expect(page.get_by_label("High")).to_be_checked()
    expect(page.get_by_label("Microphone", exact=True)).not_to_have_value("")


def test_another_loudspeaker_takes_effect_at_once_where_somebody_talks(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation("olivia-barns-001") as listener:
        page = open_page(server.url + listener.path)
        connected(page)
        page.evaluate(
            """() => {
                window.routed = [];
                AudioContext.prototype.setSinkId = async (id) => window.routed.push(id);
            }"""
        )
        page.locator("#stage").click(position={"x": 2, "y": 2})  # sound begins with a gesture
        speech = page.context.new_page()
        speech.goto(f"{server.url}/speech")
        speech.evaluate("localStorage.setItem('aichat.output', 'the-other-one')")
        page.wait_for_function("window.routed.at(-1) === 'the-other-one'")


def test_a_microphone_that_is_denied_is_explained_on_the_speech_page(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/speech", permissions=())
    page.get_by_role("button", name="Test the microphone").click()
    expect(page.locator("#toasts .toast")).to_contain_text("may not use the microphone")


def test_a_screen_reader_that_reads_the_answers_is_told_each_as_a_whole(
    server: Server, open_page: OpenPage
) -> None:
    with server.conversation("olivia-barns-001") as listener:
        page = open_page(f"{server.url}/settings")
        with page.expect_response("**/preferences"):
            page.get_by_label("My screen reader").check(force=True)
        page.goto(server.url + listener.path)
        connected(page)
        page.evaluate(
            """() => {
                const said = (window.said = []);
                const region = document.getElementById("announcer");
                new MutationObserver(() => said.push(region.textContent))
                    .observe(region, { childList: true });
            }"""
        )
        send(page, "Tell me about the shop.")
        expect(log(page, "assistant")).to_have_text(re.compile(r"\w{2,}"))
        finished(page)
        answer = log(page, "assistant").inner_text()
        said = [text.strip() for text in page.evaluate("window.said")]
        assert f"Olivia Barns: {answer}" in said
        live = "#log[aria-live], #log [aria-live], #log [role=status], #log [role=alert]"
        expect(page.locator(live)).to_have_count(0)


def test_the_focus_stays_with_a_backend_that_is_tried_again(
    studio: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{studio.url}/settings")
    connected(page)
    again = page.get_by_role("button", name="Try again: higgs")
    before = again.element_handle()
    again.press("Enter")
    page.wait_for_function("element => !element.isConnected", arg=before)
    expect(page.locator("#status-tts-higgs:focus-within")).to_be_visible()
