"""Contract of language models. Inherit :class:`LlmContract`, with a fixture ``llm``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import evolve

from aichat.core.backends import Llm, Thinking, Usage, charges
from aichat.core.bus.streams import closing
from aichat.core.models import Character, Prompt, PromptMessage
from aichat.core.tools import ToolCall, tool
from aichat.core.validators import is_storable

from .leak_checks import (
    assert_it_leaves_nothing,
    assert_no_stall,
    assert_prompt_close,
    at_once,
    cut_off,
)

PAGE = ("It was a dark and stormy night, and the rain fell in torrents. " * 160)[:10_000]

TEXTS = {
    "nothing": "",
    "spaces": "   ",
    "emoji": "👩‍👩‍👧‍👦🫠",
    "right to left": "שלום מה שלומך?",
    "chinese": "你今天好吗？",
    "marks": "…?!",
    "combining": "e\u0301" * 50,
    "all planes": "".join(chr((plane << 16) + 0x0041) for plane in range(17)),
    "mark-up": "<b>&amp;[[x]] {{y}} </s> <|im_end|> ```",
}


def ask(text: str, *earlier: PromptMessage) -> Prompt:
    """Return a prompt to answer *text*."""
    zoe = Character("zoe-001", "Zoë", "You are Zoë, a curious gardener. You love tall trees.")
    system = PromptMessage("system", zoe.system_prompt)
    return Prompt(zoe, [zoe], [system, *earlier, PromptMessage("user", text)])


async def clock() -> str:
    """Return the time of day."""
    return "Noon."


async def whole(llm: Llm, prompt: Prompt) -> str:
    """Return the text of a whole reply."""
    async with closing(llm.reply(prompt)) as stream:
        return "".join([piece async for piece in stream if isinstance(piece, str)])


class LlmContract:
    """Inherit, and add a fixture ``llm``: an entered backend."""

    pytestmark = pytest.mark.anyio

    async def test_it_answers_in_pieces_of_text(self, llm: Llm) -> None:
        """Not one of them empty, and all fit to be stored."""
        async with closing(llm.reply(ask("Hello, who are you?"))) as stream:
            pieces = [piece async for piece in stream if isinstance(piece, str)]
        assert all(piece and is_storable(piece) for piece in pieces)
        assert "".join(pieces).strip()

    async def test_it_stops_when_it_is_closed(self, llm: Llm) -> None:
        """In the middle of a reply, promptly; the next reply is whole."""
        streams: list[AsyncIterator[object]] = []

        async def begin() -> AsyncIterator[object]:
            streams.append(llm.reply(ask("Tell me a long story, please.")))
            assert await anext(streams[-1])
            return streams[-1]

        await assert_prompt_close(begin)
        assert [await anext(stream, None) for stream in streams] == [None] * len(streams)
        assert (await whole(llm, ask("And now?"))).strip()

    async def test_it_stops_when_it_is_cancelled(self, llm: Llm) -> None:
        """As an interruption does it; the next reply is whole."""
        with anyio.fail_after(60):
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
            assert isinstance(await anext(one, ""), str | Usage | Thinking)

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
        """Anything that a recogniser or a keyboard may produce."""
        assert (await whole(llm, ask(TEXTS[name]))).strip()

    @pytest.mark.parametrize("place", ["in what the user said", "in the system prompt"])
    async def test_it_takes_10_000_characters(self, llm: Llm, place: str) -> None:
        """As when a user pastes a page."""
        prompt = ask(PAGE if place == "in what the user said" else "And now?")
        if place == "in the system prompt":
            prompt.messages[0] = PromptMessage("system", PAGE)  # type: ignore[index]
        assert (await whole(llm, prompt)).strip()

    async def test_somebody_without_a_system_prompt_answers(self, llm: Llm) -> None:
        """A character is only a name at first."""
        bare = Character("bare-001", "Bare")
        assert (await whole(llm, Prompt(bare, [bare], [PromptMessage("user", "Hello.")]))).strip()

    async def test_a_character_may_begin(self, llm: Llm) -> None:
        """Before the user has said anything."""
        prompt = ask("")
        first = Prompt(prompt.character, prompt.cast, prompt.messages[:1])
        assert (await whole(llm, first)).strip()

    async def test_several_characters_in_a_row_may_have_spoken(self, llm: Llm) -> None:
        """The roles need not take turns."""
        earlier = [PromptMessage("assistant", f"I am number {n}.", f"Bot {n}") for n in range(5)]
        assert (await whole(llm, ask("And you?", *earlier))).strip()

    async def test_it_asks_for_tools_that_there_are_and_then_answers(self, llm: Llm) -> None:
        """Or it answers without, also if it knows of none."""
        offered = evolve(ask("What's the time?"), tools=(tool(clock),))
        async with closing(llm.reply(offered)) as stream:
            pieces = [piece async for piece in stream]
        calls = tuple(piece for piece in pieces if isinstance(piece, ToolCall))
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        assert all(call.id and call.name == "clock" for call in calls)
        assert calls or text.strip()
        if calls:
            asked = PromptMessage("assistant", text, calls=calls)
            gave = [PromptMessage("tool", "Noon.", "clock", call_id=call.id) for call in calls]
            messages = (*offered.messages, asked, *gave)
            assert (await whole(llm, evolve(offered, messages=messages, must_answer=True))).strip()

    async def test_it_is_cancelled_after_its_first_piece(self, llm: Llm) -> None:
        """As a user does who breaks in; promptly, and the next reply is whole."""

        async def leave() -> None:
            async with anyio.create_task_group() as tasks:

                async def listen() -> None:
                    async with closing(llm.reply(ask("Tell me a long story."))) as stream:
                        await anext(stream)
                        tasks.cancel_scope.cancel()
                        await anyio.sleep_forever()

                tasks.start_soon(listen)

        with anyio.fail_after(60):
            await leave()
        assert (await whole(llm, ask("And now?"))).strip()

    async def test_five_may_answer_at_once(self, llm: Llm) -> None:
        """A whole cast, and several conversations."""
        texts: list[str] = []

        async def answer(number: int) -> None:
            texts.append(await whole(llm, ask(f"You are number {number}.")))

        await at_once(5, answer)
        assert len(texts) == 5
        assert all(text.strip() for text in texts)

    async def test_what_it_declares_can_be_used(self, llm: Llm) -> None:
        """What it can read, in tokens, and whether it costs money."""
        assert isinstance(charges(llm), bool)
        assert getattr(llm, "context_tokens", None) is None or llm.context_tokens > 0  # type: ignore[attr-defined]

    async def test_the_event_loop_goes_on_meanwhile(self, llm: Llm) -> None:
        """Others must not wait while a reply is made."""
        await whole(llm, ask("Hello."))
        await assert_no_stall(lambda: whole(llm, ask("What do you think of this?")))

    async def test_no_thread_and_no_task_is_left_behind(self, llm: Llm) -> None:
        """After whole replies, and after those that were cut off."""

        async def work() -> None:
            await whole(llm, ask("Hello."))
            await cut_off(lambda: whole(llm, ask("Tell me a long story, please.")))

        await assert_it_leaves_nothing(work)
