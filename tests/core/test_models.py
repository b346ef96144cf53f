"""The nouns and their ids."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue, Character, Conversation, Message, Voice, is_storable, new_id, slug

TEXT = st.text(st.characters(codec=None, categories=None))


@given(TEXT)
def test_clean_text_is_what_utf8_and_postgres_can_carry(text: str) -> None:
    try:
        carried = "\0" not in text.encode("utf-8").decode()
    except UnicodeEncodeError:
        carried = False
    assert is_storable(text) is carried


@pytest.mark.parametrize("dirt", ["\0", "\ud800", "ok \udfff"])
def test_unclean_text_is_refused_naming_the_field(dirt: str) -> None:
    for field, make in (
        ("name", lambda: Character("id", dirt)),
        ("system_prompt", lambda: Character("id", "n", dirt)),
        ("greeting", lambda: Character("id", "n", greeting=dirt)),
        ("voice", lambda: Voice(dirt)),
        ("title", lambda: Conversation("c", dirt)),
        ("content", lambda: Message("m", "c", "user", dirt)),
        ("heard", lambda: Message("m", "c", "user", "hi", heard=dirt)),
    ):
        with pytest.raises(BadValue, match="Hint: Take it out") as caught:
            make()
        assert caught.value.field == field
        assert dirt not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("message_id", lambda: Message("\0", "c", "user", "")),
        ("conversation_id", lambda: Message("m", "\ud800", "user", "")),
        ("role", lambda: Message("m", "c", "nobody", "")),  # type: ignore[arg-type]
        ("content", lambda: Message("m", "c", "user", None)),  # type: ignore[arg-type]
        ("source", lambda: Message("m", "c", "user", "", source="dream")),  # type: ignore[arg-type]
        ("interrupted", lambda: Message("m", "c", "user", "", interrupted=1)),  # type: ignore[arg-type]
        ("method", lambda: Voice("v", "magic")),  # type: ignore[arg-type]
        ("audio_tokens", lambda: Voice("v", audio_tokens="12")),  # type: ignore[arg-type]
        ("settings", lambda: Voice("v", settings={"a": {1: 2}})),
        ("settings", lambda: Conversation("c", settings={"a": float("nan")})),
        ("settings", lambda: Conversation("c", settings=[])),  # type: ignore[arg-type]
        ("active_characters", lambda: Conversation("c", active_characters="ab")),
        ("active_characters", lambda: Conversation("c", active_characters=["a", "a"])),
        ("images", lambda: Character("i", "n", images=["/a", 1])),  # type: ignore[list-item]
        ("temperature", lambda: Character("i", "n", temperature="warm")),  # type: ignore[arg-type]
        ("temperature", lambda: Character("i", "n", temperature=float("inf"))),
        ("extensions", lambda: Character("i", "n", extensions={"a": ["\0"]})),
        ("extensions", lambda: Character("i", "n", extensions={"a": {"\ud800": 1}})),
        ("extensions", lambda: Character("i", "n", extensions=nested(200))),
        ("", lambda: Character("i", "n", created_at=datetime(2020, 1, 1))),
        ("", lambda: Character("i", "n", updated_at="today")),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_naming_the_field(
    field: str, make: Callable[[], object]
) -> None:
    with pytest.raises(BadValue) as caught:
        make()
    assert caught.value.field == field


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def test_plain_json_is_taken_as_it_is() -> None:
    free = {"a": [1, -0.5, True, None, {"é": ("x",)}], "b": nested(90), "c": 2**64 - 1}
    assert Character("i", "n", extensions=free).extensions == free


def test_a_time_elsewhere_is_the_same_moment_in_utc() -> None:
    tokyo = datetime(2020, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    assert Voice("v", created_at=tokyo).created_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert Voice("v", created_at=tokyo).created_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Olivia Barns", "olivia-barns"),
        ("  Zoë  d'Été!", "zoe-d-ete"),
        ("雨", "character"),
        ("x" * 80, "x" * 60),
        ("-- R2 D2 --", "r2-d2"),
    ],
)
def test_the_letters_of_an_id_come_from_the_name(name: str, letters: str) -> None:
    assert slug(name) == letters


def test_what_others_know_of_a_message_is_what_was_heard() -> None:
    message = Message("m", "c", "assistant", "All of it.")
    assert message.said == "All of it."
    assert evolve(message, interrupted=True, heard="All").said == "All"
    assert evolve(message, interrupted=True, heard="").said == ""


def test_times_are_aware_and_in_utc() -> None:
    for record in (
        Voice("v"),
        Character("i", "n"),
        Conversation("c"),
        Message("m", "c", "user", ""),
    ):
        assert record.created_at.tzinfo is UTC


def test_ids_are_uuids_of_version_7_that_grow() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    for one in (UUID(ids[0]), UUID(ids[-1])):
        assert one.version == 7
        assert one.variant == "specified in RFC 4122"


def test_ids_are_unique_across_threads() -> None:
    found: list[list[str]] = []

    def make() -> None:
        found.append([new_id() for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for ids in found for one in ids}) == 8000
    assert all(ids == sorted(ids) for ids in found)
