"""Messages and conversations by plain forms, as a browser without scripts uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from aichat.core.events import Turn, TurnTimed
from aichat.core.testing.fakes import FakeLlm
from aichat.web.html.latency_chart import stages, waterfall
from aichat.web.services.undo import pending_deletions
from support.in_process_server import Server, a_server

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(llm=FakeLlm("Yes.")) as server:
        yield server


@pytest.fixture
def web(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, headers=HTML) as client:
        yield client


@pytest.fixture
def talk(web: httpx.Client) -> str:
    """A conversation in which something was said."""
    body = {"active_characters": ["olivia", "mark"], "title": "Of tea"}
    return str(web.post("/api/conversations", json=body).json()["conversation_id"])


def say(web: httpx.Client, talk: str, content: str, **more: object) -> str:
    body = {"conversation_id": talk, "role": "user", "content": content, **more}
    answer = web.post("/api/messages", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["message_id"])


def shown(web: httpx.Client, path: str) -> str:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    assert "style=" not in answer.text
    return answer.text


def test_a_message_is_edited_and_deleted_by_forms(web: httpx.Client, talk: str) -> None:
    message = say(web, talk, "Old words")
    own = f"/c/{talk}/messages/{message}"
    assert "Old words</textarea>" in shown(web, f"{own}/edit")
    answer = web.post(own, data={"do": "edit", "text": "New words"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/c/{talk}#m-{message}")
    page = shown(web, f"/c/{talk}")
    assert "New words" in page
    assert "Old words" not in page
    assert "The message was changed." in page
    assert web.post(own, data={"do": "delete"}).status_code == 303
    assert "New words" not in shown(web, f"/c/{talk}")
    assert web.post(own, data={"do": "delete"}).status_code == 404


def test_a_deleted_message_can_be_taken_back_where_it_was(web: httpx.Client, talk: str) -> None:
    first, second, third = (say(web, talk, words) for words in ("One", "Two", "Three"))
    web.post(f"/c/{talk}/messages/{second}", data={"do": "delete"})
    web.post(f"/c/{talk}/messages/{third}", data={"do": "delete"})
    page = shown(web, f"/c/{talk}")
    assert re.findall('id="m-([^"]+)"', page) == [first]
    assert re.findall('id="undo-([^"]+)"', page) == [second, third]
    assert "You: One" in page, "the line in the list"
    assert web.post(f"/c/{talk}/messages/{second}", data={"do": "restore"}).status_code == 303
    page = shown(web, f"/c/{talk}")
    assert re.findall('id="m-([^"]+)"', page) == [first, second]
    assert "You: Two" in page
    assert web.post(f"/c/{talk}/messages/{second}", data={"do": "restore"}).status_code == 404


def test_a_message_that_nobody_takes_back_is_gone(
    web: httpx.Client, talk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_deletions, "UNDO_SECONDS", 0.0)
    message = say(web, talk, "One")
    web.post(f"/c/{talk}/messages/{message}", data={"do": "delete"})
    while web.get(f"/api/messages/{message}").status_code != 404:
        pass
    assert "undo-" not in shown(web, f"/c/{talk}")


def test_from_a_message_on_it_is_written_anew_and_what_followed_can_come_back(
    web: httpx.Client, talk: str
) -> None:
    say(web, talk, "Tea?")
    message = say(web, talk, "No.", role="assistant", character_id="olivia")
    later = [say(web, talk, "Why?"), say(web, talk, "Well?")]
    web.post(f"/c/{talk}/messages/{message}", data={"do": "regenerate-from"})
    while web.get(f"/api/messages/{message}").json()["content"] != "Yes.":
        pass
    page = shown(web, f"/c/{talk}")
    assert "The 2 messages after it were deleted." in page
    assert not set(later) & set(re.findall('id="m-([^"]+)"', page))
    assert web.post(f"/c/{talk}/messages/{later[0]}", data={"do": "restore"}).status_code == 303
    assert set(later) < set(re.findall('id="m-([^"]+)"', shown(web, f"/c/{talk}")))


@pytest.mark.parametrize(
    "form",
    [{}, {"do": "dance"}, {"do": "edit"}, {"do": "edit", "text": " "}, {"version": "1"},
     {"version": "-1"}, {"version": "x"}, {"version": "99999999999"}],
)  # fmt: skip
def test_a_form_that_is_wrong_changes_nothing(
    web: httpx.Client, talk: str, form: dict[str, str]
) -> None:
    message = say(web, talk, "Words")
    assert web.post(f"/c/{talk}/messages/{message}", data=form).status_code == 400
    assert web.get(f"/api/messages/{message}").json()["content"] == "Words"


def test_a_script_gets_the_words_alone(web: httpx.Client, talk: str) -> None:
    own = f"/c/{talk}/messages/{say(web, talk, 'Words')}"
    plain = {"Accept": "text/plain"}
    answer = web.post(own, data={"do": "edit", "text": "Others"}, headers=plain)
    assert (answer.status_code, answer.text) == (200, "The message was changed.")
    wrong = web.post(own, data={"do": "edit", "text": ""}, headers=plain)
    assert (wrong.status_code, wrong.json()["status_code"]) == (400, 400)


def test_a_message_is_reached_in_its_own_conversation_only(web: httpx.Client, talk: str) -> None:
    message = say(web, talk, "Words")
    other = web.post("/api/conversations", json={}).json()["conversation_id"]
    for path in (f"/c/{other}/messages/{message}/edit", f"/c/{other}/messages/{message}/inspect"):
        assert web.get(path).status_code == 404
    answer = web.post(f"/c/{other}/messages/{message}", data={"do": "delete"})
    assert answer.status_code == 404
    assert web.get(f"/api/messages/{message}").status_code == 200


def test_versions_are_shown_and_chosen(web: httpx.Client, talk: str) -> None:
    texts = [{"content": word, "heard": None} for word in ("One", "Two")]
    kept = {"versions": texts, "version": 1}
    message = say(web, talk, "Two", role="assistant", character_id="olivia", extensions=kept)
    page = shown(web, f"/c/{talk}")
    assert "<span>2/2</span>" in page
    assert web.post(f"/c/{talk}/messages/{message}", data={"version": "0"}).status_code == 303
    page = shown(web, f"/c/{talk}")
    assert "<span>1/2</span>" in page
    assert re.search(r'message-text"><p>One</p>', page)


def test_a_reply_is_written_anew_without_scripts(web: httpx.Client, talk: str) -> None:
    say(web, talk, "Tea?")
    message = say(web, talk, "No.", role="assistant", character_id="olivia")
    answer = web.post(f"/c/{talk}/messages/{message}", data={"do": "regenerate"})
    assert answer.status_code == 303
    while (kept := web.get(f"/api/messages/{message}").json())["content"] != "Yes.":
        pass
    assert [one["content"] for one in kept["extensions"]["versions"]] == ["No.", "Yes."]
    page = shown(web, f"/c/{talk}/messages/{message}/inspect")
    assert "You are Olivia" in page, "the prompt"
    assert "Tea?" in page


def test_what_was_not_heard_is_folded(web: httpx.Client, talk: str) -> None:
    cut = {"role": "assistant", "character_id": "mark", "interrupted": True}
    say(web, talk, "One **two three** four.", heard="One **two", **cut)
    page = shown(web, f"/c/{talk}")
    assert "interrupted at “One **two”" in page
    assert "Full text" in page
    assert "Say the rest" in page


def test_what_anybody_writes_into_extensions_breaks_no_page(web: httpx.Client, talk: str) -> None:
    for odd in (
        {"usage": 3, "versions": "x", "tools": {"a": 1}, "version": []},
        {"usage": {"cost": "<script>", "model": [1]}, "versions": [{"content": 1}], "tools": [1]},
        {
            "usage": {"cost": 1e-9, "model": "<b>m</b>"},
            "versions": [{"content": "<i>", "heard": 4}],
        },
    ):
        message = say(web, talk, "Words", role="assistant", character_id="olivia", extensions=odd)
        page = shown(web, f"/c/{talk}") + shown(web, f"/c/{talk}/messages/{message}/inspect")
        assert "<script>" not in page
        assert "<b>m" not in page


# -- the list of conversations -----------------------------------------------------------------


def titles(page: str) -> list[str]:
    return re.findall(r'conversation-title">([^<]*)<', page)


def test_the_list_tells_who_is_there_and_what_was_said_last(web: httpx.Client, talk: str) -> None:
    say(web, talk, "First")
    last = say(web, talk, "A **last** word", role="assistant", character_id="mark")
    page = shown(web, "/conversations")
    assert "With Olivia, Mark." in page
    assert "Mark: A last word" in page
    web.delete(f"/api/messages/{last}")
    assert "You: First" in shown(web, "/conversations")


def test_conversations_are_found_by_title_and_by_what_was_said(web: httpx.Client) -> None:
    for title, words in (("Of Zebras", "stripes"), ("Other", "A zebras tale"), ("None", "no")):
        made = web.post("/api/conversations", json={"title": title}).json()["conversation_id"]
        say(web, made, words)
    assert titles(shown(web, "/conversations?q=zebras")) == ["Other", "Of Zebras"]
    nothing = shown(web, "/conversations?q=nobody-says-this")
    assert "No conversation contains these words." in nothing
    assert shown(web, "/conversations?q=%00")


def test_a_conversation_is_renamed(web: httpx.Client, talk: str) -> None:
    assert "Of tea" in shown(web, f"/c/{talk}/edit")
    answer = web.post(f"/c/{talk}", data={"do": "rename", "title": "  Of   <b>coffee "})
    assert answer.status_code == 303
    assert web.get(f"/api/conversations/{talk}").json()["title"] == "Of <b>coffee"
    assert "Of &lt;b&gt;coffee" in shown(web, f"/c/{talk}")
    for wrong in ("", "  ", "x" * 201):
        answer = web.post(f"/c/{talk}", data={"do": "rename", "title": wrong})
        assert answer.status_code == 400
    assert web.post(f"/c/{talk}", data={"do": "other"}).status_code == 400


def test_a_deletion_can_be_taken_back(web: httpx.Client, talk: str) -> None:
    message = say(web, talk, "Keep me")
    answer = web.post(f"/c/{talk}", data={"do": "delete"})
    assert answer.headers["location"] == f"/conversations?gone={talk}"
    page = shown(web, answer.headers["location"])
    assert "Undo" in page
    assert f"talk-{talk}" not in page
    gone = web.get(f"/c/{talk}")
    assert (gone.status_code, "Undo" in gone.text) == (404, True)
    assert web.post(f"/c/{talk}", data={"do": "restore"}).status_code == 303
    assert "Keep me" in shown(web, f"/c/{talk}")
    assert web.get(f"/api/messages/{message}").status_code == 200
    assert web.post(f"/c/{talk}", data={"do": "restore"}).status_code == 404


def test_a_deletion_that_nobody_takes_back_is_done(
    web: httpx.Client, talk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_deletions, "UNDO_SECONDS", 0.0)
    web.post(f"/c/{talk}", data={"do": "delete"})
    while web.get(f"/api/conversations/{talk}").status_code != 404:
        pass
    assert web.post(f"/c/{talk}", data={"do": "restore"}).status_code == 404
    assert web.post(f"/c/{talk}", data={"do": "delete"}).status_code == 404


# -- how long it took ----------------------------------------------------------------------------


def test_the_turns_of_a_conversation_are_drawn(web: httpx.Client, talk: str) -> None:
    assert "No turns yet" in shown(web, f"/c/{talk}/turns")
    web.post(f"/c/{talk}/messages", data={"text": "Olivia, tea?"})
    while len(web.get(f"/api/messages?conversation_id={talk}").json()) < 2:
        pass
    page = shown(web, f"/c/{talk}/turns")
    assert "<svg" in page
    assert "First word written" in page
    message = web.get(f"/api/messages?conversation_id={talk}").json()[-1]["message_id"]
    assert "<svg" in shown(web, f"/c/{talk}/messages/{message}/inspect")


def timed(*marks: float, gaps: tuple[float, ...] = ()) -> TurnTimed:
    names = ("transcribed", "first_text", "first_audio")
    return TurnTimed(Turn("c"), tuple(zip(names, marks, strict=True)), gaps)


def test_a_waterfall_has_a_bar_for_each_stage_and_they_fill_the_picture() -> None:
    drawn = waterfall(timed(0, 100, 400))
    assert [(bar.words, bar.at, bar.took) for bar in drawn.bars] == [
        ("First word written", 0, 100),
        ("First audio sent", 100, 300),
    ]
    first, second = drawn.bars
    assert second.x == pytest.approx(first.x + first.width, abs=0.2)
    assert second.width == pytest.approx(3 * first.width, abs=0.5)
    assert drawn.total == 400
    assert waterfall(TurnTimed(Turn("c"), (("transcribed", 0.0),))).bars == []


def test_medians_are_told_by_stage() -> None:
    several = [timed(0, ms, ms + 50, gaps=(10.0,)) for ms in range(1, 101)]
    first, second, gap = stages(several)
    assert (first.words, first.count, first.p50) == ("First word written", 100, 50.5)
    assert first.p95 == pytest.approx(95.05)
    assert (second.p50, second.p95) == (50, 50)
    assert gap.words == "Silence between two speakers"
    assert stages([]) == []
