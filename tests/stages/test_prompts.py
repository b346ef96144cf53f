"""What a character is told: its own point of view, what was heard, as much as there is room for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import Character, Conversation, Message, Prompt, PromptMessage
from aichat.stages.answering.prompt_history import (
    HISTORY_TOKENS,
    REPLY_TOKENS,
    model_message,
    prompt,
    tokens,
)
from aichat.toolkit.prompts.message_roles import BEGINNING, GO_ON

OLIVIA, MARK = Character("o", "Olivia", "You are kind."), Character("m", "Mark")
CAST = [OLIVIA, MARK]


def said(number: int, who: str, text: str, heard: str | None = None) -> Message:
    name = {"o": "Olivia", "m": "Mark"}.get(who)
    role = "assistant" if name else "user"
    return Message(str(number), "c", role, text, name, who if name else None, heard=heard)


def asked(messages: list[Message], context: int | None = None, **settings: object) -> Prompt:
    conversation = Conversation("c", settings=settings)
    return prompt(OLIVIA, CAST, map(model_message, messages), conversation, context)


def test_others_are_named_and_only_what_was_heard_is_told() -> None:
    messages = [
        said(1, "u", "hi"),
        said(2, "o", "Hello there.", heard="Hello"),
        said(3, "m", "Nice to meet you."),
        said(4, "o", "Never heard.", heard=""),
        said(5, "m", "And all the rest.", heard="And"),
    ]
    assert [(m.role, m.content) for m in asked(messages).messages[1:]] == [
        ("user", "hi"),
        ("assistant", "Hello"),
        ("user", "Mark: Nice to meet you.\n\nMark: And"),
    ]


def test_of_a_picture_is_told_what_it_shows() -> None:
    shown = f"Look: ![my \\[old\\] cat](/images/{'a' * 64}.webp) and ![](/images/b.webp)!"
    others = "![a dog](https://example.org/dog.png)"
    (one,) = asked([said(1, "u", shown), said(2, "u", others)]).messages[1:]
    assert one.content == f"Look: [picture: my [old] cat] and [picture]!\n\n{others}"


def test_who_spoke_last_is_told_to_go_on() -> None:
    assert asked([said(1, "o", "Hello.")]).messages[-1] == GO_ON
    assert asked([said(1, "m", "Hello.")]).messages[-1] != GO_ON


@pytest.mark.parametrize(
    ("own", "settings", "told"),
    [
        ({}, {}, {}),
        ({}, {"model": "a", "temperature": 0, "stop": ["x"], "strategy": "all"}, ...),
        ({"model": "b", "temperature": 0.0}, {"model": "a"}, {"model": "b", "temperature": 0.0}),
        (
            {"extensions": {"llm": {"max_tokens": 9, "top_p": 1, "stop": ["END"], "model": "x"}}},
            {"max_tokens": 5, "top_p": 0.5, "temperature": 1.5},
            {"temperature": 1.5, "max_tokens": 9, "top_p": 1, "stop": ["END"]},
        ),
        ({"extensions": {"llm": {"max_tokens": "9", "top_p": True}}}, {"top_p": 0.5}, ...),
        ({"extensions": {"llm": ["max_tokens"]}}, {"max_tokens": 5}, ...),
    ],
)
def test_a_characters_own_settings_win(
    own: dict[str, Any], settings: dict[str, Any], told: Any
) -> None:
    who, conversation = Character("o", "Olivia", **own), Conversation("c", settings=settings)
    known = {name: value for name, value in settings.items() if name != "strategy"}
    assert prompt(who, [who], [], conversation).settings == (known if told is ... else told)


CLEAN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
LONG = st.builds(lambda text, times: text * times, CLEAN, st.integers(1, 300))
MESSAGES = st.lists(st.tuples(st.sampled_from("umo"), LONG), min_size=1, max_size=30).map(
    lambda pairs: [said(number, who, text) for number, (who, text) in enumerate(pairs)]
)


@given(MESSAGES, st.none() | st.integers(0, 9000), st.none() | st.integers(1, 2000))
def test_the_oldest_are_left_out_and_neither_the_system_prompt_nor_the_newest(
    messages: list[Message], context: int | None, most: int | None
) -> None:
    sent = asked(messages, context, **({"max_tokens": most} if most else {}))
    assert sent.messages[0].role == "system"
    assert sent.messages[0].content.startswith("You are kind.")
    history = [m for m in sent.messages[1:] if m not in (GO_ON, BEGINNING)]
    able = [m for m in messages if m.said.strip()]
    kept = kept_of(able, history)
    assert "\n\n".join(m.content for m in history) == "\n\n".join(map(foreign, kept))
    assert kept or not able
    size = sum(tokens(foreign(m)) for m in kept)
    assert len(kept) <= 1 or size <= HISTORY_TOKENS
    if context and len(kept) > 1:
        assert size + tokens(sent.messages[0].content) + (most or REPLY_TOKENS) <= context


def foreign(message: Message) -> str:
    return f"Mark: {message.said}" if message.character_id == "m" else message.said


def kept_of(messages: list[Message], history: list[PromptMessage]) -> list[Message]:
    """Return the newest messages that are as long, joined, as what was sent."""
    room = sum(len(one.content) + 2 for one in history)
    kept: list[Message] = []
    for message in reversed(messages):
        room -= len(foreign(message)) + 2
        if room < 0:
            break
        kept.insert(0, message)
    return kept


@given(st.text(), st.text())
def test_an_estimate_grows_with_the_text_and_never_over_its_bytes(one: str, two: str) -> None:
    assert tokens(one) <= tokens(one + two)
    assert len(one) / 4 <= tokens(one) <= len(one.encode()) + 1


def test_rarer_scripts_count_more() -> None:
    assert tokens("a" * 300) == 101
    assert tokens("ж" * 300) == 301
    assert tokens("好" * 300) == 451
