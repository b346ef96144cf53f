"""Messages in turns: whatever the history, every chat template takes it, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import PromptMessage, ToolCall
from aichat.toolkit.prompts.message_roles import (
    BEGINNING,
    GO_ON,
    NO_RESULT,
    in_turns,
    without_system,
    without_tools,
)

WORDS = st.text("ab \n", max_size=6)
IDS = st.sampled_from(["1", "2", "3"])
CALLS = st.lists(st.builds(ToolCall, IDS, st.just("dice")), max_size=3).map(tuple)
MESSAGES = st.lists(
    st.one_of(
        st.builds(PromptMessage, st.sampled_from(["system", "user", "assistant"]), WORDS),
        st.builds(PromptMessage, st.just("assistant"), WORDS, st.none(), CALLS),
        st.builds(PromptMessage, st.just("tool"), WORDS, st.none(), st.just(()), IDS),
    ),
    max_size=14,
)


def side(message: PromptMessage) -> str:
    return "user" if message.role == "user" else "character"


def check_turns(messages: Sequence[PromptMessage]) -> None:
    """Check what the strictest templates want."""
    sides = [side_ for side_, _ in groupby(messages, side)]
    assert sides[0] == sides[-1] == "user" or messages[-1].role == "tool"
    for one, two in pairwise(messages):
        assert (one.role, two.role) != ("user", "user")
        assert (one.role, two.role) != ("assistant", "assistant")
    for at, message in enumerate(messages):
        results = [one.call_id for one in messages[at + 1 : at + 1 + len(message.calls)]]
        assert results == [call.id for call in message.calls]
    wanted = sum(len(message.calls) for message in messages)
    assert wanted == sum(message.role == "tool" for message in messages)


@given(MESSAGES)
def test_any_history_takes_turns_and_loses_nothing(messages: list[PromptMessage]) -> None:
    sent = in_turns(messages)
    has_system = sent[0].role == "system"
    check_turns(sent[has_system:])
    assert "system" not in {message.role for message in sent[1:]}
    said = "".join(message.content for message in sent)
    assert all(message.content in said for message in messages if message.content.strip())
    assert in_turns(sent) == sent


@given(MESSAGES)
def test_a_prompt_without_system_or_tools_says_the_same(messages: list[PromptMessage]) -> None:
    check_turns(without_system(messages))
    bare = without_tools(messages)
    assert not any(message.calls or message.role == "tool" for message in bare)
    for sent in (without_system(messages), bare):
        said = "".join(message.content for message in sent)
        assert all(message.content in said for message in messages if message.content.strip())
    assert all(message.role != "system" for message in without_system(messages))


def user(text: str) -> PromptMessage:
    return PromptMessage("user", text)


def reply(text: str, *calls: ToolCall) -> PromptMessage:
    return PromptMessage("assistant", text, calls=calls)


SYSTEM = PromptMessage("system", "You are Zoe.")
CALL = ToolCall("1", "dice")
GAVE = PromptMessage("tool", "6", "dice", call_id="1")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param([], [BEGINNING], id="nothing"),
        pytest.param([SYSTEM], [SYSTEM, BEGINNING], id="a character begins"),
        pytest.param(
            [SYSTEM, reply("Hello."), user("Hi")],
            [SYSTEM, BEGINNING, reply("Hello."), user("Hi")],
            id="a greeting",
        ),
        pytest.param(
            [SYSTEM, user("Hi"), user("Still there?")],
            [SYSTEM, user("Hi\n\nStill there?")],
            id="a turn that failed",
        ),
        pytest.param(
            [SYSTEM, user("Hi"), reply("Yes"), reply("And?")],
            [SYSTEM, user("Hi"), reply("Yes\n\nAnd?"), GO_ON],
            id="twice in a row",
        ),
        pytest.param(
            [SYSTEM, user("Hi"), PromptMessage("system", "It rains.")],
            [SYSTEM, user("Hi\n\nIt rains.")],
            id="the system later",
        ),
        pytest.param(
            [SYSTEM, user("Hi"), reply("Look:"), reply("", CALL), GAVE],
            [SYSTEM, user("Hi"), reply("Look:", CALL), GAVE],
            id="a call",
        ),
        pytest.param(
            [user("Hi"), reply("", CALL), user("Well?")],
            [
                user("Hi"),
                reply("", CALL),
                PromptMessage("tool", NO_RESULT, "dice", call_id="1"),
                user("Well?"),
            ],
            id="a call that was cut off",
        ),
        pytest.param(
            [user("Hi"), GAVE], [user("Hi\n\n(dice gave: 6)")], id="a result without its call"
        ),
    ],
)
def test_what_is_sent(given: list[PromptMessage], sent: list[PromptMessage]) -> None:
    assert list(in_turns(given)) == sent


def test_a_model_without_tools_reads_what_they_gave() -> None:
    messages = [SYSTEM, user("Roll!"), reply("Let me.", CALL), GAVE]
    assert list(without_tools(messages)) == [
        SYSTEM,
        user("Roll!"),
        reply("Let me."),
        user("(dice gave: 6)"),
    ]
    assert without_system([SYSTEM, user("Hi")]) == (user("You are Zoe.\n\nHi"),)
