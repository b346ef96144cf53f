"""The texts of a message."""

from __future__ import annotations

import pytest
from attrs import evolve

from aichat.core import BadValue, Message
from aichat.toolkit.message_versions import chosen, edited, rewritten, shown, versions

FIRST = Message("m", "c", "assistant", "One.", "Olivia", turn_id="t1")


def again(text: str, turn: str, **extensions: object) -> Message:
    return Message("m", "c", "assistant", text, "Olivia", turn_id=turn, extensions=extensions)


def test_a_message_that_was_never_rewritten_has_one_text() -> None:
    assert [one["content"] for one in versions(FIRST)] == ["One."]
    assert shown(FIRST) == 0


def test_another_version_keeps_the_old_ones_and_the_moment() -> None:
    twice = rewritten(rewritten(FIRST, again("Two.", "t2")), again("Three.", "t3"))
    assert [one["content"] for one in versions(twice)] == ["One.", "Two.", "Three."]
    assert (twice.content, twice.turn_id, shown(twice)) == ("Three.", "t3", 2)
    assert twice.created_at == FIRST.created_at


def test_each_version_has_what_it_took_and_what_was_heard() -> None:
    before = evolve(FIRST, interrupted=True, heard="One", extensions={"usage": {"cost": 1}, "x": 1})
    after = rewritten(before, again("Two.", "t2", usage={"cost": 2}, tools=[]))
    assert after.extensions["usage"] == {"cost": 2}
    back = chosen(after, 0)
    assert (back.content, back.heard, back.interrupted, back.turn_id) == ("One.", "One", True, "t1")
    assert back.extensions["usage"] == {"cost": 1}
    assert "tools" not in back.extensions
    assert (back.extensions["x"], shown(back)) == (1, 0)
    forth = chosen(back, 1)
    assert (forth.content, forth.heard, forth.interrupted) == ("Two.", None, False)
    assert forth.extensions["usage"] == {"cost": 2}


@pytest.mark.parametrize("number", [-1, 1, 10**9])
def test_a_version_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(BadValue) as told:
        chosen(FIRST, number)
    assert told.value.field == "version"


def test_an_edit_changes_the_text_that_is_shown_and_no_other() -> None:
    both = chosen(rewritten(FIRST, again("Two.", "t2")), 0)
    mended = edited(evolve(both, interrupted=True, heard="On"), "Uno.")
    assert (mended.content, mended.heard, mended.interrupted) == ("Uno.", None, False)
    assert [one["content"] for one in versions(mended)] == ["Uno.", "Two."]
    assert chosen(chosen(mended, 1), 0).content == "Uno."
    assert edited(FIRST, "Uno.").extensions == {}


@pytest.mark.parametrize("kept", [None, 3, "x", [], [1], [{"content": 2}], {"content": "x"}])
def test_what_is_no_version_is_passed_over(kept: object) -> None:
    odd = evolve(FIRST, extensions={"versions": kept, "version": "first"})
    assert [one["content"] for one in versions(odd)] == ["One."]
    assert shown(odd) == 0


def test_the_oldest_of_many_versions_go() -> None:
    message = FIRST
    for number in range(30):
        message = rewritten(message, again(str(number), "t"))
    assert len(versions(message)) == 20
    assert versions(message)[shown(message)]["content"] == message.content == "29"
