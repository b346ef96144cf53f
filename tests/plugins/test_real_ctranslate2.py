"""The language model of CTranslate2 with real weights: SmolLM2-135M-Instruct in int8."""

from __future__ import annotations

import time

import pytest
from attrs import evolve

from aichat.core import Character, Conversation, Message, PromptMessage, Usage, closing
from aichat.core.testing.llm_contract import PAGE, ask, whole
from aichat.plugins.ctranslate2 import Ctranslate2
from aichat.plugins.ctranslate2.token_text import TokenText
from aichat.stages.answering.prompt_history import model_message, prompt
from aichat.toolkit.model_output.filtered_replies import ThinkingHabits, filtered_reply
from support.real_weights import SMOLLM2

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend():
    """One loop for all tests here, so that the model is loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def llm(anyio_backend):
    folder = SMOLLM2.path("ctranslate2")
    async with Ctranslate2(str(folder), device="cpu", max_tokens=24, threads=1) as backend:
        yield backend


def exactly(text, *earlier, **settings):
    """Return a prompt whose reply is the same each time."""
    usual = {"temperature": 0, "max_tokens": 16}
    return evolve(ask(text, *earlier), settings={**usual, **settings})


async def test_the_pieces_are_the_whole_text_and_a_stop_string_ends_it(llm):
    async with closing(llm.reply(exactly("What is the capital of France?"))) as stream:
        *pieces, usage = [piece async for piece in stream]
    text = "".join(pieces)
    assert "Paris" in text
    assert len(pieces) > 3
    assert isinstance(usage, Usage)
    stop = text[text.index("Paris") - 3 : text.index("Paris") + 3]  # across tokens
    stopped = await whole(llm, exactly("What is the capital of France?", stop=[stop]))
    assert stopped == text[: text.index(stop)]


async def test_a_reply_goes_on_behind_its_beginning(llm):
    asked = evolve(exactly("What is the capital of France?"), prefill="The capital of France is")
    text = await whole(llm, asked)
    assert "Paris" in text
    assert "capital" not in text.partition("Paris")[0]


async def test_the_second_reply_of_a_character_reads_its_system_prompt_no_more(llm):
    spent = []
    for text in ("Hello?", "And now?"):
        asked = exactly(text, max_tokens=1)
        system = PromptMessage("system", PAGE[:2000])
        asked = evolve(asked, messages=(system, *asked.messages[1:]))
        begun = time.process_time()
        assert await whole(llm, asked)
        spent.append(time.process_time() - begun)
    assert llm._engine.cache.hits >= 1
    assert spent[1] < spent[0] / 2


@pytest.mark.parametrize("text", ["👩‍👩‍👧‍👦🫠 naïve 你好吗？ שלום e\u0301", "  two\n\n\tthree  "])
def test_text_survives_its_tokens(llm, text):
    coming = TokenText(llm._engine._decode)
    ids = llm._engine.tokenizer.encode(text, add_special_tokens=False).ids
    pieces = [coming.feed(token) for token in ids]
    assert "".join([*pieces, coming.flush()]) == text
    assert "\ufffd" not in "".join(pieces)


async def test_three_characters_talk(llm):
    """Each says something of its own; no token of the template is shown."""
    names = ("Olivia Barns", "Rosa Diaz", "Mark Chen")
    cast = [Character(n.lower(), n, f"You are {n}. You love short answers.") for n in names]
    said = [Message("0", "c", "user", "Hello! What do you like to eat?")]
    conversation = Conversation("c", settings={"max_tokens": 24})
    for number, who in enumerate((*cast, cast[0]), 1):
        asked = prompt(who, cast, map(model_message, said), conversation, llm.context_tokens)
        async with closing(filtered_reply(llm, asked, ThinkingHabits())) as reply:
            text = "".join([piece async for piece in reply if isinstance(piece, str)]).strip()
        assert text
        assert "<|" not in text
        said.append(Message(str(number), "c", "assistant", text, who.name, who.id))
    assert llm._engine.cache.hits >= 1  # Olivia spoke twice
