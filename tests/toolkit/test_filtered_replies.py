"""Replies of any backend: what is known of a model is remembered, and nothing is left open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import define, field

from aichat.core import (
    THINKING,
    BackendFailed,
    Character,
    Prompt,
    PromptMessage,
    ToolCall,
    Usage,
    closing,
)
from aichat.toolkit.model_output.filtered_replies import (
    MOST_MODELS,
    SLICE,
    ThinkingHabits,
    filtered_reply,
)
from aichat.toolkit.model_output.visible_text import Withdrawn

pytestmark = pytest.mark.anyio

OLIVIA = Character("o", "Olivia")
ASKED = Prompt(OLIVIA, [OLIVIA], [PromptMessage("user", "Hi")], {"model": "m"})


@define
class Writer:
    pieces: list[Any]
    left: int = 0
    asked: list[Prompt] = field(factory=list)

    async def reply(self, prompt: Prompt) -> AsyncIterator[Any]:
        try:
            for piece in self.pieces:
                yield piece
        finally:
            self.left += 1


async def said_by(writer: Writer, habits: ThinkingHabits) -> list[Any]:
    async with closing(filtered_reply(writer, ASKED, habits)) as pieces:
        return [piece async for piece in pieces if piece != THINKING]


async def test_a_model_that_thought_aloud_is_waited_for_until_it_no_longer_does() -> None:
    habits = ThinkingHabits()
    aloud = Writer(["They greet me.", "</think>", "Hello!"])
    assert await said_by(aloud, habits) == ["They greet me.", Withdrawn(), "Hello!"]
    assert await said_by(aloud, habits) == ["Hello!"]
    assert await said_by(Writer(["He", "llo!"]), habits) == ["Hello!"]
    assert await said_by(Writer(["He", "llo!"]), habits) == ["He", "llo!"]


async def test_only_the_newest_habits_are_kept() -> None:
    habits = ThinkingHabits()
    for number in range(MOST_MODELS):
        habits.aloud[str(number)] = None
    await said_by(Writer(["They greet me.</think>Hello!"]), habits)
    assert (len(habits.aloud), habits.waits("m"), habits.waits("0")) == (MOST_MODELS, True, False)


async def test_calls_and_usage_pass_and_a_long_piece_is_read_in_slices() -> None:
    call, took = ToolCall("1", "clock"), Usage("m")
    *said, last, also = await said_by(Writer(["a" * (2 * SLICE + 1), call, took]), ThinkingHabits())
    assert (list(map(len, said)), last, also) == ([SLICE, SLICE, 1], call, took)


async def test_a_run_on_closes_the_stream() -> None:
    writer = Writer(["Hello!<|im_end|>\n<|im_start|>user\n", "Never read."])
    assert await said_by(writer, ThinkingHabits()) == ["Hello!"]
    assert writer.left == 1


async def test_a_reply_of_thoughts_alone_says_so() -> None:
    with pytest.raises(BackendFailed, match="ended within its thoughts"):
        await said_by(Writer(["<think>for ever"]), ThinkingHabits())
