"""What exactly a model was told for a message, for whoever wants to look into it.

The last prompts are kept in memory and never stored. The messages in them are shared, so that one
more prompt costs little.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from litestar import get
from litestar.datastructures import State
from litestar.params import FromPath
from msgspec import Struct

from aichat.core import Bus, NotFound, Prompt
from aichat.core.events import PromptSent

KEPT = 500
"""So many prompts are kept, of all conversations together."""


@define(eq=False)
class Prompts:
    """The last prompts, by the id of the message that they led to."""

    by_message: dict[str, Prompt] = field(factory=dict)

    def listen(self, bus: Bus) -> None:
        """Keep what is sent from now on."""
        bus.tap(self.keep)

    def keep(self, event: PromptSent) -> None:
        """Keep one more, and forget the oldest."""
        self.by_message[event.line.message_id] = event.prompt
        while len(self.by_message) > KEPT:
            del self.by_message[next(iter(self.by_message))]

    def of(self, message_id: str) -> Prompt:
        """Return the prompt of a message. Raises :class:`NotFound`."""
        if (prompt := self.by_message.get(message_id)) is None:
            raise NotFound(
                f"The prompt of message {message_id[:80]!r} is not known.",
                f"Only replies have one, and the last {KEPT} since the start are kept.",
            )
        return prompt


class PromptMessageOut(Struct):
    """One message as it was sent; *name* is who said it, when that is another character."""

    role: str
    content: str
    name: str | None


class PromptOut(Struct):
    """A prompt. *model* and *temperature* are the character's own, and win over *settings*."""

    message_id: str
    character_id: str
    model: str | None
    temperature: float | None
    settings: dict[str, Any]
    messages: list[PromptMessageOut]


@get("/api/messages/{message_id:str}/prompt", sync_to_thread=False)
def prompt_of(state: State, message_id: FromPath[str]) -> PromptOut:
    """Show what a character was told before it wrote a message."""
    prompt: Prompt = state.prompts.of(message_id)
    who = prompt.character
    messages = [PromptMessageOut(one.role, one.content, one.name) for one in prompt.messages]
    return PromptOut(
        message_id, who.id, who.model, who.temperature, dict(prompt.settings), messages
    )
