"""Filtered replies of language models, whichever backend writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from attrs import define, field

from aichat.core.backends import THINKING, Llm, Thinking, Usage, Written
from aichat.core.bus.streams import closing
from aichat.core.errors import BackendFailed
from aichat.core.models import Prompt
from aichat.core.tools import ToolCall

from .reply_filter import ModelText
from .visible_text import Withdrawn

SLICE = 2_000
"""Letters that are read at once; other tasks run between two slices."""
MOST_MODELS = 1_000


@define
class Habits:
    """Remembers which models write their reasoning without a tag before they answer."""

    aloud: dict[str, None] = field(factory=dict)

    def waits(self, model: str) -> bool:
        """Return whether text of *model* may be reasoning without an opening tag."""
        return model in self.aloud

    def note(self, model: str, text: ModelText) -> None:
        """Learn from a reply; a model that no longer does so is no longer withheld."""
        if text.shown.thought_aloud:
            self.aloud[model] = None
        elif text.shown.waited_in_vain:
            self.aloud.pop(model, None)
        if len(self.aloud) > MOST_MODELS:
            del self.aloud[next(iter(self.aloud))]


async def replied(llm: Llm, prompt: Prompt, habits: Habits) -> AsyncIterator[Written | Withdrawn]:
    """Ask *llm*; yield its text without thoughts, tokens of its template and calls in words.

    Such a call is yielded as one, if the tool was offered. The reply ends where the model begins
    another's turn. ``Withdrawn`` takes back all text that came before; ``THINKING`` stands for
    text that is not shown.
    """
    model = str(prompt.settings.get("model") or "")
    offered = [tool.name for tool in prompt.tools]
    text = ModelText(prompt.character.name, offered, habits.waits(model))
    async with closing(llm.reply(prompt)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Usage | ToolCall | Thinking):
                yield piece
                continue
            if not isinstance(piece, str):
                raise BackendFailed(
                    f"The language model sent {type(piece).__name__}, not text.",
                    "Its backend has to yield text, calls of tools and usage.",
                )
            for begin in range(0, len(piece), SLICE):
                if begin:
                    await anyio.lowlevel.checkpoint()
                part = piece[begin : begin + SLICE]
                works = text.works
                said = text.feed(part)
                for one in said:
                    yield one
                if not said and (works or text.works) and not part.isspace():
                    yield THINKING
            if text.is_over:
                break
        for one in text.flush():
            yield one
    habits.note(model, text)
    if text.only_thought:
        raise BackendFailed(
            "The language model ended within its thoughts, before a word of its answer.",
            "Raise max_tokens, let it think less, or choose another model.",
        )
