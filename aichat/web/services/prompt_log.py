"""The exact prompts that models were sent, by message, for inspection.

The last prompts are kept in memory and never stored. The messages in them are shared, so that one
more prompt costs little.
"""

from __future__ import annotations

from attrs import define, field

from aichat.core import Bus, NotFound, Prompt
from aichat.core.events import PromptSent
from aichat.toolkit.bounded_dict import BoundedDict

KEPT = 500
"""Most prompts kept, of all conversations together."""


@define(eq=False)
class Prompts:
    """The last prompts, by the id of the message that they led to."""

    by_message: BoundedDict[str, Prompt] = field(factory=lambda: BoundedDict(KEPT))

    def listen(self, bus: Bus) -> None:
        """Keep the prompts that are sent from now on."""
        bus.tap(self.keep)

    def keep(self, event: PromptSent) -> None:
        """Keep a prompt, and drop the oldest."""
        self.by_message[event.line.message_id] = event.prompt

    def of(self, message_id: str) -> Prompt:
        """Return the prompt of a message. Raises :class:`NotFound`."""
        if (prompt := self.by_message.get(message_id)) is None:
            raise NotFound(
                f"The prompt of message {message_id[:80]!r} is not known.",
                f"Only replies have one, and the last {KEPT} since the start are kept.",
            )
        return prompt
