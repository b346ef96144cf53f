"""A small language model with real weights, in talks of three characters through the stages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import ctranslate2
import pytest
import torch

from aichat.core import Character, Conversation, Llm, Message
from aichat.core.memory_storage import MemoryStorage
from aichat.plugins.ctranslate2 import Ctranslate2
from aichat.plugins.transformers import Transformers
from support.chat import a_chat
from support.real_weights import SMOLLM2

pytestmark = pytest.mark.anyio

CAST = {"Olivia Barns": "a cheerful painter", "Mark Chen": "a cook", "Rosa Alvarez": "a sailor"}
TALKS = (
    (
        "Good morning!",
        "Who of you has seen the sea?",
        "I would like to cook something for my mother.",
        "What makes you laugh?",
        "Thank you, goodbye.",
    ),
    (
        "Hello everybody, how are you today?",
        "What did you eat this morning?",
        "Tell me about the sea.",
        "Which colour do you like best, and why?",
        "I am a little sad today.",
    ),
    (
        "Tell me a short story about a cat.",
        "Is it going to rain today?",
        "What is your favourite song?",
        "I lost my keys yesterday.",
        "Do you believe in ghosts?",
    ),
)
LEAK = re.compile(r"<\||\|>|im_(start|end)|endoftext")


async def talked(llm: Llm, talks: Sequence[Sequence[str]]) -> list[Message]:
    """Return what everybody wrote; what failed is missing. It is the same in every run."""
    store = MemoryStorage()
    for name, what in CAST.items():
        await store.add_character(Character(name, name, f"You are {name}, {what}."))
    settings: dict[str, Any] = {"max_tokens": 12, "temperature": 0.7}
    for number, _ in enumerate(talks):
        await store.add_conversation(Conversation(str(number), None, list(CAST), settings))
    written = []
    async with a_chat(llm=llm, storage=store, failures=True) as chat:
        for number, texts in enumerate(talks):
            for text in texts:
                await chat.say(text, str(number))
            written += await store.recent_messages(str(number), 100)
    return [message for message in written if message.role == "assistant"]


def assert_clean(replies: Sequence[Message]) -> None:
    """No reply has a tag in it, or what another character says."""
    for reply in replies:
        assert not LEAK.search(reply.content), reply
        assert not re.search(rf"^\W*({'|'.join(CAST)})\W*:", reply.content, re.MULTILINE), reply


async def test_ctranslate2_leaks_no_tag_and_leaves_no_reply_empty_in_45() -> None:
    folder = str(SMOLLM2.path("ctranslate2"))
    ctranslate2.set_random_seed(1)
    replies = await talked(Ctranslate2(folder, device="cpu", threads=1, max_concurrent=1), TALKS)
    for r in replies:
        print(r.name, repr(r.content))
    assert [reply.name for reply in replies] == [*CAST] * 15
    assert all(re.search(r"\w", reply.content) for reply in replies)
    assert_clean(replies)


async def test_transformers_leaks_no_tag_and_leaves_no_reply_empty() -> None:
    folder = str(SMOLLM2.path("transformers"))
    torch.manual_seed(1)
    torch.set_num_threads(1)  # of a busy machine, where several wait for each other
    llm = Transformers(folder, device="cpu", dtype="float32", max_concurrent=1)
    replies = await talked(llm, [TALKS[0][:1]])
    assert [reply.name for reply in replies] == [*CAST]
    assert_clean(replies)
