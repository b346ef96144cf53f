"""The rules that every store shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue, Character, Conversation, Voice, slug
from aichat.core.store_rules import changed, clip_key, clip_keys, merged, numbered, words


@pytest.mark.parametrize(
    ("id", "split"),
    [
        ("olivia-barns-001", ("olivia-barns", 1)),
        ("a-001-002", ("a-001", 2)),
        ("a-1000", ("a", 1000)),
        ("a-01", None),
        ("-001", None),
        ("olivia", None),
        ("a-9999999999", None),
        ("a-٠٠١", None),
    ],
)
def test_an_id_is_split_into_letters_and_number(id: str, split: tuple[str, int] | None) -> None:
    assert numbered(id) == split


@given(st.text(), st.integers(1, 10**9 - 1))
def test_every_id_that_is_given_can_be_split(name: str, number: int) -> None:
    assert numbered(f"{slug(name)}-{number:03}") == (slug(name), number)


def test_words_are_letters_and_digits() -> None:
    assert words("Hello, WORLD! it's 2_x") == ["Hello", "WORLD", "it", "s", "2", "x"]
    assert words("Été e\u0301té 雨 мир") == ["Été", "e\u0301té", "雨", "мир"]
    assert words(" …\u0301 _ \0\ud800") == []


def test_only_a_records_own_fields_change_but_not_its_key_or_times() -> None:
    character = Character("c", "N", voice="v")
    assert changed(character, {"voice": None}).voice is None
    for record in (character, Voice("v"), Conversation("c")):
        for name in ("created_at", "updated_at", "nonsense", "__class__"):
            with pytest.raises(BadValue):
                changed(record, {name: None})
    for keyed, key in (
        (character, "id"),
        (Voice("v"), "voice"),
        (Conversation("c"), "conversation_id"),
    ):
        with pytest.raises(BadValue):
            changed(keyed, {key: "x"})


def test_null_takes_a_setting_away() -> None:
    assert merged({"a": 1, "b": 2}, {"b": None, "c": False}) == {"a": 1, "c": False}


def test_a_clip_is_named_by_its_content() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert clip_key(b"", "wav") == f"{empty}.wav"
    assert clip_keys(Voice("v", audio_path="a", text_path="b")) == {"a", "b"}
    assert clip_keys(Voice("v")) == set()
