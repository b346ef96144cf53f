"""Filtered replies of language models, whichever backend writes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import anyio
from attrs import define, field

from aichat.core.backends import THINKING, Llm, LlmOutput, Thinking, Usage
from aichat.core.bus.streams import closing
from aichat.core.errors import BackendFailed
from aichat.core.models import Prompt
from aichat.core.tools import ToolCall
from aichat.toolkit.bounded_dict import BoundedDict

from .reply_filter import ReplyFilter
from .visible_text import Withdrawn

SLICE = 2_000
"""Letters that are read at once; other tasks run between two slices."""
MOST_MODELS = 1_000
NO_TEXT = (Usage, ToolCall, Thinking)
ONLY_THOUGHT = (
    "The language model ended within its thoughts, before a word of its answer.",
    "Raise max_tokens, let it think less, or choose another model.",
)


@define
class ThinkingHabits:
    """Remembers which models write their reasoning without a tag before they answer."""

    aloud: BoundedDict[str, None] = field(factory=lambda: BoundedDict(MOST_MODELS))

    def waits(self, model: str) -> bool:
        """Return whether text of *model* may be reasoning without an opening tag."""
        return model in self.aloud

    def note(self, model: str, text: ReplyFilter) -> None:
        """Learn from a reply; a model that no longer does so is no longer withheld."""
        if text.shown.thought_aloud:
            self.aloud[model] = None
        elif text.shown.waited_in_vain:
            self.aloud.pop(model, None)


async def filtered_reply(
    llm: Llm, prompt: Prompt, habits: ThinkingHabits
) -> AsyncGenerator[LlmOutput | Withdrawn, None]:
    """Ask *llm*; yield its text without reasoning, template tokens and tool calls as text.

    A tool call written as text is yielded as a call if the prompt offers the tool. The reply ends
    where the model begins another speaker's turn. ``Withdrawn`` takes back all earlier text;
    ``THINKING`` stands for text that is not shown.
    """
    model = str(prompt.settings.get("model") or "")
    offered = {one.name: [*one.parameters.get("properties", ())] for one in prompt.tools}
    text = ReplyFilter(prompt.character.name, offered, habits.waits(model))
    async with closing(llm.reply(prompt)) as pieces:
        async for piece in pieces:
            if isinstance(piece, NO_TEXT):
                yield piece
                continue
            for number, part in enumerate(_slices(piece)):
                if number:
                    await anyio.lowlevel.checkpoint()
                for one in _read(part, text):
                    yield one
            if text.is_over:
                break
        for one in text.flush():
            yield one
    habits.note(model, text)
    if text.only_thought:
        raise BackendFailed(*ONLY_THOUGHT)


def _slices(piece: object) -> list[str]:
    if not isinstance(piece, str):
        raise BackendFailed(
            f"The language model sent {type(piece).__name__}, not text.",
            "Its backend has to yield text, calls of tools and usage.",
        )
    if 0 < len(piece) <= SLICE:  # most often
        return [piece]
    return [piece[begin : begin + SLICE] for begin in range(0, len(piece), SLICE)]


def _read(part: str, text: ReplyFilter) -> Sequence[LlmOutput | Withdrawn]:
    """Return what is certain after *part*; ``THINKING`` if the model writes what is not shown."""
    works = text.works
    said = text.feed(part)
    is_hidden = not said and (works or text.works) and not part.isspace()
    return (THINKING,) if is_hidden else said
