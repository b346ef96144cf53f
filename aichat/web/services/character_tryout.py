"""Tries out a character that is not saved: one message and its reply, neither of them stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from attrs import define, field

from aichat.core import (
    BackendFailed,
    BadValue,
    Character,
    NotReady,
    Parts,
    Prompt,
    PromptMessage,
    closing,
)
from aichat.toolkit.model_output.filtered_replies import ThinkingHabits, filtered_reply
from aichat.toolkit.model_output.visible_text import Withdrawn
from aichat.toolkit.prompts.character_prompt import asked_with, briefing
from aichat.toolkit.prompts.message_roles import in_turns
from aichat.web.settings.conversation_defaults import defaults

from .engine_deadline import WithDeadline

LONGEST_QUESTION = 1_000
LONGEST_ANSWER = 1_500
"""Most characters of the message, and of the reply."""
MOST_TOKENS = 250
PATIENCE_SECONDS = 60.0
"""Timeout of a whole reply."""
AT_ONCE = 2
WAITING = 4
ANEW = "\f"
"""Marks a restart in a reply: the text before it was the model's thoughts."""


@define(eq=False)
class Tryouts:
    """Runs try-outs, a few at a time."""

    # a CapacityLimiter belongs to a task, but a reply may begin in one and go on in another
    slots: anyio.Semaphore = field(factory=lambda: anyio.Semaphore(AT_ONCE))
    habits: ThinkingHabits = field(factory=ThinkingHabits)

    async def answer(self, parts: Parts, who: Character, said: str) -> AsyncIterator[str]:
        """Yield the reply in pieces, up to :data:`LONGEST_ANSWER` characters; see :data:`ANEW`.

        Raises BadValue for what cannot be answered, NotReady, TimedOut, and what the model raises.
        """
        prompt = await _prompt(parts, who, _checked(said))
        if self.slots.statistics().tasks_waiting >= WAITING:
            raise NotReady("Too many characters are being tried.", "Try again in a moment.")
        room = LONGEST_ANSWER
        async with self.slots, closing(filtered_reply(parts.llm, prompt, self.habits)) as pieces:
            hint = "Try again, or choose another model."
            async for piece in WithDeadline(pieces, PATIENCE_SECONDS, "model", hint):
                if isinstance(piece, Withdrawn):
                    room = LONGEST_ANSWER
                    yield ANEW
                elif isinstance(piece, str):  # usage and tool calls are skipped
                    yield piece[:room]
                    room -= len(piece)
                if room <= 0:
                    break
        if room == LONGEST_ANSWER:
            raise BackendFailed("The model wrote nothing.", "Try again, or choose another model.")


def _checked(said: str) -> str:
    if not said.strip():
        raise BadValue("There is nothing to answer.", "Write something to it.", "say")
    if len(said) > LONGEST_QUESTION:
        raise BadValue(f"It has over {LONGEST_QUESTION} characters.", "Write less.", "say")
    return said.strip()


async def _prompt(parts: Parts, who: Character, said: str) -> Prompt:
    messages = [PromptMessage("system", briefing(who))]
    if who.greeting:
        messages.append(PromptMessage("assistant", who.greeting))
    messages.append(PromptMessage("user", said))
    settings = asked_with(who, await defaults(parts.storage))
    settings["max_tokens"] = min(settings.get("max_tokens", MOST_TOKENS), MOST_TOKENS)
    return Prompt(who, (who,), in_turns(messages), settings)
