"""What can be done with messages and conversations, with the mouse and with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from attrs import define
from playwright.sync_api import Locator, Page, expect

from support.browser.axe import violations
from support.browser.chat_page import connected, events, finished, log, send
from support.browser.chromium import OpenPage
from support.disconnecting_proxy import Line
from support.litestar_run import Server

OLIVIA, MARK = "olivia-barns-001", "mark-chen-001"
CUT_OFF = "ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket connection"
LONG = "I read nothing that is longer than a recipe. Well, almost nothing."
CODE = "Like **this**:\n\n```python\ndef f(x: int) -> int:\n    return x  # yes\n```"


@define
class Talk:
    """A conversation with some messages in it, made over the API."""

    api: httpx.Client
    id: str
    messages: list[str]

    @property
    def path(self) -> str:
        return f"/c/{self.id}"

    def stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(f"/messages?conversation_id={self.id}").json()
        return found


@pytest.fixture
def talk(server: Server) -> Iterator[Talk]:
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False) as api:
        yield a_talk(api)


def a_talk(api: httpx.Client, title: str = "Of books") -> Talk:
    body = {"active_characters": [OLIVIA, MARK], "title": title}
    id = api.post("/conversations", json=body).json()["conversation_id"]
    cut = {"role": "assistant", "interrupted": True, "heard": "I read nothing that is longer"}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "Where do you find your books?"},
        {"role": "assistant", "character_id": OLIVIA, "content": CODE},
        {"role": "user", "content": "And you, Mark?", "source": "voice"},
        {"character_id": MARK, "content": LONG, **cut},
    ]
    batch = [{"conversation_id": id, **one} for one in said]
    answer = api.post("/messages/batch", json=batch)
    assert answer.status_code == 201, answer.text
    return Talk(api, id, [one["message_id"] for one in answer.json()])


def message(page: Page, talk: Talk, place: int) -> Locator:
    return page.locator(f"#m-{talk.messages[place]}")


def menu(page: Page, talk: Talk, place: int, entry: str) -> None:
    """Choose from a message's menu, with the mouse."""
    one = message(page, talk, place)
    one.hover()
    one.locator(".more > summary").click()
    one.locator(".menu").get_by_text(entry, exact=True).click()


def test_messages_tell_who_when_and_how_it_ended(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    expect(message(page, talk, 3)).to_contain_text("interrupted at “that is longer”")
    expect(message(page, talk, 1).locator("pre .k").first).to_have_text("def")
    expect(message(page, talk, 1).locator(".face")).to_have_count(1)
    message(page, talk, 3).get_by_text("Full text").click()
    expect(message(page, talk, 3).locator(".unheard-text")).to_be_visible()


def test_a_message_is_edited_and_deleted_in_every_window(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    first, second = (open_page(server.url + talk.path) for _ in range(2))
    for page in (first, second):
        connected(page)
    menu(first, talk, 0, "Edit")
    box = first.get_by_role("dialog").get_by_role("textbox")
    expect(box).to_be_focused()
    box.fill("Where do you find *maps*?")
    first.get_by_role("button", name="Save").click()
    for page in (first, second):
        expect(message(page, talk, 0).locator("em")).to_have_text("maps")
    expect(first.get_by_role("dialog")).to_have_count(0)
    expect(first.locator("#toasts")).to_contain_text("The message was changed.")
    assert [one["content"] for one in talk.stored()][:2] == ["Where do you find *maps*?", CODE]


def ids(page: Page) -> list[str]:
    """The messages that a page shows, in order."""
    shown: list[str] = page.evaluate(
        "[...document.querySelectorAll('#log .message')].map((one) => one.id.slice(2))"
    )
    return shown


def test_a_deleted_message_comes_back_from_any_window_even_after_a_reload(
    server: Server, open_page: OpenPage, talk: Talk, axe: str
) -> None:
    first, second = (open_page(server.url + talk.path) for _ in range(2))
    for page in (first, second):
        connected(page)
    last = f"#talk-{talk.id} .conversation-last"
    before = first.locator(last).inner_text()
    menu(second, talk, 3, "Delete")
    for page in (first, second):
        expect(message(page, talk, 3)).to_have_count(0)
        expect(page.locator(last)).not_to_have_text(before)
    first.reload()
    first.get_by_role("button", name="Undo").click()
    for page in (first, second):
        expect(message(page, talk, 3)).to_have_count(1)
        assert ids(page) == talk.messages
        expect(page.locator(last)).to_have_text(before)
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    menu(second, talk, 0, "Delete")
    expect(second.locator("#scroller")).to_be_focused()
    second.keyboard.press("u")
    for page in (first, second):
        expect(message(page, talk, 0)).to_have_count(1)
        assert ids(page) == talk.messages
    menu(second, talk, 0, "Delete")
    expect(second.get_by_role("button", name="Undo")).to_be_visible()
    assert violations(second, axe) == []
    assert len(talk.stored()) == 4


def test_what_followed_a_message_comes_back_after_it_was_written_anew(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    first, second = (open_page(server.url + talk.path) for _ in range(2))
    for page in (first, second):
        connected(page)
    menu(first, talk, 1, "Regenerate from here")
    for page in (first, second):
        expect(page.locator("#toasts")).to_contain_text("The 2 messages after it were deleted.")
        assert ids(page) == talk.messages[:2]
    second.get_by_role("button", name="Undo").click()
    for page in (first, second):
        expect(message(page, talk, 3)).to_have_count(1)
        assert ids(page) == talk.messages
    first.keyboard.press("Escape")
    finished(first)
    expect(message(first, talk, 2).locator(".message-name")).to_have_text("You")


def test_the_keyboard_reaches_all_that_can_be_done(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    one = message(page, talk, 1)
    one.get_by_role("button", name="Play again").focus()
    for name in ("Regenerate", "More"):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text(name)
    page.keyboard.press("Enter")
    for name in (
        "Play from…",
        "New take",
        "Regenerate from here",
        "Copy",
        "Edit",
        "Inspect",
        "Delete",
    ):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text(name)
    page.keyboard.press("Escape")
    expect(one.locator(".menu")).to_be_hidden()
    expect(one.locator(".more > summary")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Inspect a message")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(one.locator(".more > summary")).to_be_focused()
    page.locator("#composer-text").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("dialog", name="Edit a message")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#composer-text")).to_be_focused()


def test_a_message_is_said_again_and_stays_as_it_is(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    before = log(page, "assistant").all_inner_texts()
    one = message(page, talk, 3)
    one.hover()
    one.get_by_role("button", name="Play again").click()
    expect(one).to_have_class(re.compile("is-speaking"))
    finished(page)
    assert page.evaluate("window.__witness.speakers") == ["Mark Chen"]
    assert log(page, "assistant").all_inner_texts() == before
    assert len(talk.stored()) == 4
    menu(page, talk, 3, "New take")
    expect(one).to_have_class(re.compile("is-speaking"))
    page.keyboard.press("Escape")
    finished(page)
    assert log(page, "assistant").all_inner_texts() == before


def test_a_word_to_begin_with_is_chosen_with_the_keyboard(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    one = message(page, talk, 3)
    one.locator(".more > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="Word to begin with")
    expect(slider).to_be_focused()
    words = one.locator(".message-text").inner_text().split()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", words[2])
    marked = "[...CSS.highlights.get('chosen-word')].map(String)"
    assert page.evaluate(marked) == [words[2]]
    page.keyboard.press("Enter")
    expect(one).to_have_class(re.compile("is-speaking"))
    expect(slider).to_be_focused()
    page.keyboard.press("Escape")
    expect(slider).to_have_count(0)
    expect(one.locator(".more > summary")).to_be_focused()
    page.keyboard.press("Escape")
    finished(page)


def test_the_rest_of_what_was_cut_off_is_said(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    message(page, talk, 3).hover()
    message(page, talk, 3).get_by_role("button", name="Say the rest").click()
    expect(log(page, "assistant").last).to_have_text("than a recipe. Well, almost nothing.")
    finished(page)


def test_another_version_is_written_and_the_old_one_is_a_click_away(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    first, second = (open_page(server.url + talk.path) for _ in range(2))
    for page in (first, second):
        connected(page)
    one = message(first, talk, 1)
    one.hover()
    again = one.get_by_role("button", name="Regenerate")
    again.focus()
    first.keyboard.press("Enter")
    expect(one.locator(".message-versions")).to_contain_text("2/2")
    finished(first)
    text = one.locator(".message-text").inner_text()
    assert "def f" not in text
    expect(message(second, talk, 1).locator(".message-text")).to_have_text(text)
    one.get_by_role("button", name="Previous version").click()
    for page in (first, second):
        expect(message(page, talk, 1).locator(".message-versions")).to_contain_text("1/2")
        expect(message(page, talk, 1).locator(".message-text")).to_contain_text("def f")
    expect(one.get_by_role("button", name="Previous version")).to_be_focused()
    expect(one.get_by_role("button", name="Previous version")).to_have_attribute(
        "aria-disabled", "true"
    )
    kept = talk.stored()[1]
    assert kept["extensions"]["versions"][0]["content"] == CODE
    menu(first, talk, 1, "Inspect")
    dialog = first.get_by_role("dialog")
    expect(dialog.get_by_role("img", name=re.compile("Waterfall"))).to_have_count(0)
    expect(dialog.get_by_role("heading", name="Prompt")).to_be_visible()


def test_a_message_is_copied(server: Server, open_page: OpenPage, talk: Talk) -> None:
    allowed = ("microphone", "clipboard-read", "clipboard-write")
    page = open_page(server.url + talk.path, permissions=allowed)
    connected(page)
    menu(page, talk, 0, "Copy")
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "Where do you find your books?"


def test_a_refusal_is_said_and_changes_nothing(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path, excused="404|502|ERR_FAILED")
    connected(page)
    menu(page, talk, 0, "Edit")
    page.get_by_role("dialog").get_by_role("textbox").fill("Lost?")
    page.route("**/messages/*", lambda route: route.abort())
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("The server cannot be reached")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_value("Lost?")
    page.unroute("**/messages/*")
    talk.api.delete(f"/messages/{talk.messages[0]}")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("There is no message")
    expect(log(page, "assistant")).to_have_count(2)


def test_the_draft_and_the_focus_survive_a_thousand_updates(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    page.locator("#composer-text").click()
    box = page.locator("#composer-text[contenteditable]")  # it comes late
    expect(box).to_be_focused()
    page.keyboard.type("A draft, half")
    page.evaluate(STREAM, [OLIVIA, 1_000])
    page.keyboard.type(" written")
    expect(box).to_have_text("A draft, half written")
    expect(box).to_be_focused()
    streamed = page.locator("#m-streamed .message-text").inner_text()
    assert streamed.split() == [f"word{n}" for n in range(1_000)]


STREAM = """
async ([character, count]) => {
  const lines = [{ message_id: "streamed", character_id: character, sequence_number: 0 }];
  const text = '<div class="message-text"></div>';
  const bubble = `<article id="m-streamed" class="message is-assistant">${text}</article>`;
  const html = `<hx-partial hx-target="#log" hx-swap="beforeend">${bubble}</hx-partial>`;
  __tell({ type: "html", html });
  __tell({ type: "turn_started", turn_id: "t", generation: 9999, speakers: [character], lines });
  for (let k = 0; k < count; k++) {
    const said = { message_id: "streamed", sequence_number: 0, chunk_index: k, turn_id: "t" };
    const who = { character_id: character, character_name: "X", is_final: false };
    __tell({ type: "text_chunk", text: `word${k} `, ...who, ...said });
    if (k % 20 === 0) await new Promise(requestAnimationFrame);
  }
}
"""


def test_the_page_shows_what_the_store_has_after_any_cut(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    with Line(server.port) as line:
        page = open_page(line.url + talk.path, excused=CUT_OFF)
        connected(page)
        send(page, "@Olivia and @Mark, tell me about the shop.")
        page.evaluate("window.__told('text_chunk', 'text')")
        line.cut()
        talk.api.put(f"/messages/{talk.messages[0]}", json={"content": "Changed meanwhile."})
        talk.api.delete(f"/messages/{talk.messages[2]}")
        connected(page)
        expect(log(page, "user").first).to_have_text("Changed meanwhile.")
        line.cut()
        connected(page)
        page.keyboard.press("Escape")
        finished(page)
        expect(page.locator(".is-streaming, .is-thinking")).to_have_count(0)
        shown = page.locator("#log .message").evaluate_all(
            "all => all.map((one) => [one.id, one.querySelector('.message-text').innerText.trim()])"
        )
        fresh = open_page(server.url + talk.path)
        expect(fresh.locator("#log .message")).to_have_count(len(shown))
        assert shown == fresh.locator("#log .message").evaluate_all(
            "all => all.map((one) => [one.id, one.querySelector('.message-text').innerText.trim()])"
        )
        assert [id.removeprefix("m-") for id, _ in shown] == [
            one["message_id"] for one in talk.stored()
        ]
        assert events(page, "ready")[-1]["resumed"] in (True, False)


# -- conversations -------------------------------------------------------------------------------


def test_conversations_are_searched_renamed_and_deleted_with_undo(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    a_talk(talk.api, "Zanzibar and back")
    page, other = (open_page(server.url + talk.path) for _ in range(2))
    for one in (page, other):
        connected(one)
    away = open_page(f"{server.url}/conversations")
    connected(away)
    page.get_by_role("searchbox", name="Search conversations").fill("zanzibar")
    expect(page.locator(".conversation")).to_have_count(1)
    page.get_by_role("searchbox", name="Search conversations").fill("")
    mine = f"#talk-{talk.id}"
    page.locator(mine).get_by_role("link", name=re.compile("Rename or delete")).click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Of maps <b>")
    page.keyboard.press("Enter")
    for one in (page, other):
        expect(one.locator("#title")).to_have_text("Of maps <b>")
        expect(one).to_have_title("Of maps <b> · aichat")
    for one in (page, other, away):
        expect(one.locator(f"{mine} .conversation-title")).to_have_text("Of maps <b>")
        expect(one.get_by_role("link", name="Rename or delete: Of maps <b>")).to_be_visible()
    page.locator(mine).get_by_role("link", name=re.compile("Rename or delete")).click()
    page.get_by_role("button", name="Delete this conversation").click()
    for one in (other, away):
        expect(one.locator(mine)).to_have_count(0)
    expect(page.locator(mine)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#title")).to_have_text("Of maps <b>")
    expect(page.locator("#log .message")).to_have_count(4)
    for one in (other, away):
        expect(one.locator(f"{mine} .conversation-title")).to_have_text("Of maps <b>")


def test_all_of_it_works_without_scripts(server: Server, open_page: OpenPage, talk: Talk) -> None:
    browser = open_page(server.url).context.browser
    assert browser
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(server.url + talk.path)
        message(page, talk, 0).locator(".more > summary").click()
        message(page, talk, 0).get_by_role("link", name="Edit").click()
        page.get_by_role("textbox").fill("Without scripts")
        page.get_by_role("button", name="Save").click()
        expect(message(page, talk, 0)).to_contain_text("Without scripts")
        page.locator(f"#talk-{talk.id}").get_by_role("link", name=re.compile("Rename")).click()
        page.get_by_role("button", name="Delete this conversation").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#title")).to_have_text("Of books")
    finally:
        context.close()


# -- for everybody -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(
    scheme: str, server: Server, open_page: OpenPage, talk: Talk, axe: str
) -> None:
    page = open_page(server.url + talk.path, color_scheme=scheme, reduced_motion="reduce")
    connected(page)
    one = message(page, talk, 1)
    one.hover()
    one.locator(".more > summary").click()
    assert violations(page, axe) == []
    one.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    menu(page, talk, 3, "Inspect")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    send(page, "@Mark hello")
    expect(page.locator("#log .message.is-speaking")).to_be_visible()
    page.keyboard.press("Escape")
    finished(page)
    for path in ("/conversations", f"/conversations?gone={talk.id}", f"{talk.path}/turns"):
        page.goto(server.url + path)
        assert violations(page, axe) == []
    page.goto(f"{server.url}{talk.path}/edit")
    assert violations(page, axe) == []


def test_nothing_is_wider_than_a_phone(server: Server, open_page: OpenPage, talk: Talk) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = open_page(server.url + talk.path, **phone)
    connected(page)
    expect(message(page, talk, 1).get_by_role("button", name="Regenerate")).to_be_visible()
    for place in range(len(talk.messages)):
        message(page, talk, place).locator("summary", has_text="More").tap()
        for last in ("Regenerate from here", "Delete"):
            menu_item = message(page, talk, place).get_by_role("button", name=last)
            expect(menu_item).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
    page.locator("#rail > summary").tap()
    page.get_by_role("searchbox", name="Search conversations").press("Escape")
    expect(page.locator("#rail > summary")).to_be_focused()
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    for path in (talk.path, "/conversations", f"{talk.path}/turns", f"{talk.path}/edit"):
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


# -- captions ------------------------------------------------------------------------------------


def until(page: Page, what: str) -> None:
    """Wait for it; Playwright's own way evaluates text, which the page's policy forbids."""
    look = f"const look = () => ({what}) ? done() : setTimeout(look, 20); look();"
    page.evaluate(f"() => new Promise((done) => {{ {look} }})")


def marked(page: Page) -> str:
    """The word that is marked as being heard."""
    found: str = page.evaluate("[...CSS.highlights.get('spoken-word')].map(String).join('|')")
    return found


def test_the_word_that_is_heard_is_marked_and_a_click_on_one_plays_from_there(
    server: Server, open_page: OpenPage, talk: Talk
) -> None:
    page = open_page(server.url + talk.path)
    connected(page)
    message(page, talk, 3).hover()
    message(page, talk, 3).get_by_role("button", name="Play again").click()
    until(page, "CSS.highlights.get('spoken-word').size")
    assert marked(page) in LONG.split(".")[0]
    finished(page)
    assert marked(page) == ""
    place = message(page, talk, 3).locator(".message-text p")
    box = place.bounding_box()
    assert box
    x = place.evaluate(
        """(one) => {
            const range = new Range();
            const at = one.textContent.indexOf("longer");
            range.setStart(one.firstChild, at);
            range.setEnd(one.firstChild, at + 6);
            return range.getBoundingClientRect().x + 8;
        }"""
    )
    page.mouse.click(x, box["y"] + box["height"] / 2)
    until(page, "CSS.highlights.get('spoken-word').size")
    assert marked(page).strip(".,") in ("longer", "than", "a", "recipe")
    told = events(page, "captions")[-1]
    page.keyboard.press("Escape")
    finished(page)
    assert told["words"][0]["text"] == "longer"
    expect(place).to_have_text("I read nothing that is longer")
