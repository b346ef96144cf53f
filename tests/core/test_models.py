"""The nouns and their ids."""

from __future__ import annotations

import threading
from datetime import UTC
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue, Character, Conversation, Message, Voice, is_clean, new_id

TEXT = st.text(st.characters(codec=None, categories=None))


@given(TEXT)
def test_clean_text_is_what_utf8_and_postgres_can_carry(text: str) -> None:
    try:
        carried = "\0" not in text.encode("utf-8").decode()
    except UnicodeEncodeError:
        carried = False
    assert is_clean(text) is carried


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
        with pytest.raises(BadValue, match="Mend: Take it out") as caught:
            make()
        assert caught.value.field == field
        assert dirt not in str(caught.value)


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
