"""What every language model must do. Inherit :class:`LlmContract`, with a fixture ``llm``."""

from __future__ import annotations

import anyio
import pytest

from aichat.core.backends import Llm, Usage
from aichat.core.fields import is_clean
from aichat.core.models import Character, Prompt, PromptMessage
from aichat.core.streams import closing

STALL_SECONDS = 0.5
"""Generous: a shared test machine stalls by itself for a while."""

TEXTS = {
    "nothing": "",
    "spaces": "   ",
    "emoji": "👩‍👩‍👧‍👦🫠",
    "right to left": "שלום מה שלומך?",
    "chinese": "你今天好吗？",
    "marks": "…?!",
    "combining": "e\u0301" * 50,
}


def ask(text: str, *earlier: PromptMessage) -> Prompt:
    """Let somebody answer *text*."""
    zoe = Character("zoe-001", "Zoë", "You are Zoë, a curious gardener. You love tall trees.")
    system = PromptMessage("system", zoe.system_prompt)
    return Prompt(zoe, [zoe], [system, *earlier, PromptMessage("user", text)])


async def whole(llm: Llm, prompt: Prompt) -> str:
    """Read a reply to its end."""
    async with closing(llm.reply(prompt)) as stream:
        return "".join([piece async for piece in stream if isinstance(piece, str)])


class LlmContract:
    """Inherit, and add a fixture ``llm``: an entered backend."""

    pytestmark = pytest.mark.anyio

    async def test_it_answers_in_pieces_of_text(self, llm: Llm) -> None:
        """Not one of them empty, and all fit to be stored."""
        async with closing(llm.reply(ask("Hello, who are you?"))) as stream:
            pieces = [piece async for piece in stream if isinstance(piece, str)]
        assert all(piece and is_clean(piece) for piece in pieces)
        assert "".join(pieces).strip()

    async def test_it_stops_when_it_is_closed(self, llm: Llm) -> None:
        """In the middle of a reply, within a second; the next reply is whole."""
        stream = llm.reply(ask("Tell me a long story, please."))
        assert await anext(stream)
        with anyio.fail_after(1):
            async with closing(stream):
                pass
        assert await anext(stream, None) is None
        assert (await whole(llm, ask("And now?"))).strip()

    async def test_it_stops_when_it_is_cancelled(self, llm: Llm) -> None:
        """As an interruption does it; the next reply is whole."""
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(whole, llm, ask("Tell me a long story, please."))
                await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        assert (await whole(llm, ask("And now?"))).strip()

    async def test_a_stream_that_is_never_read_does_no_harm(self, llm: Llm) -> None:
        """Closing it is enough."""
        async with closing(llm.reply(ask("Never mind."))):
            pass
        assert (await whole(llm, ask("And now?"))).strip()

    async def test_two_may_answer_at_once(self, llm: Llm) -> None:
        """Neither waits for the end of the other."""
        async with (
            closing(llm.reply(ask("You first."))) as one,
            closing(llm.reply(ask("You too."))) as two,
        ):
            assert await anext(one)
            assert await anext(two)
            assert isinstance(await anext(one, ""), str | Usage)

    async def test_it_takes_a_long_conversation(self, llm: Llm) -> None:
        """Hundreds of messages."""
        roles = ("user", "assistant")
        history = [
            PromptMessage(roles[number % 2], f"Number {number}. " * 40)  # type: ignore[arg-type]
            for number in range(300)
        ]
        assert (await whole(llm, ask("Still there?", *history))).strip()

    @pytest.mark.parametrize("name", TEXTS)
    async def test_it_takes_any_text(self, llm: Llm, name: str) -> None:
        """Whatever a recogniser or a keyboard brings."""
        assert (await whole(llm, ask(TEXTS[name]))).strip()

    async def test_the_event_loop_goes_on_meanwhile(self, llm: Llm) -> None:
        """Others must not wait while a reply is made."""
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            while True:
                before = anyio.current_time()
                await anyio.sleep(0.01)
                longest = max(longest, anyio.current_time() - before - 0.01)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await whole(llm, ask("What do you think of this?"))
            tasks.cancel_scope.cancel()
        assert longest < STALL_SECONDS
