"""The context of a conversation while its characters answer."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from attrs import define, field

from aichat.core import Character, Conversation
from aichat.core.events import Line, UserSaid
from aichat.core.turn_rules import TurnRules

from .prompt_history import ModelMessage, model_message
from .text_lead import TextLead


@define
class ConversationContext:
    """One conversation: its messages, its cast, and the line that is being written."""

    messages: dict[str, ModelMessage] = field(factory=dict)
    hidden: set[str] = field(factory=set)
    """Messages left out of prompts for now."""
    is_loaded: bool = False
    changes: int = 0
    """How often a message was changed, or taken away."""
    newest: int = 0
    """The number of the latest turn for which the cast was read."""
    conversation: Conversation | None = None
    cast: Sequence[Character] = ()
    rules: TurnRules = field(factory=TurnRules)
    writing: tuple[Line, anyio.CancelScope] | None = None
    replies: dict[str, ModelMessage] = field(factory=dict)
    """What was said in this turn and is no message yet; the next character's prompt holds it."""
    text_lead: TextLead = field(factory=TextLead)
    wrote: bool = False
    """Whether a character wrote anything in this turn."""
    may_continue: bool = False
    """The user has neither spoken nor stopped anybody since the last turn of theirs."""
    auto_replies: int = 0
    """Replies that have followed on their own since then."""

    def begin_turn(self) -> None:
        """Nothing was written yet."""
        self.replies, self.wrote, self.text_lead = {}, False, TextLead()

    def keep_words(self, event: UserSaid) -> None:
        """Keep the user's words for the prompts of a speculative turn: no message has them yet."""
        known = self.messages.get(event.message_id)
        if known is None or known.message.turn_id != event.turn.id:
            self.replies[event.message_id] = model_message(event.message())

    def keep_reply(self, line: Line, text: str) -> None:
        """Keep a reply for the prompts of this turn's next characters, unless it is a message."""
        if line.says == "new" and line.message_id not in self.messages:
            self.replies[line.message_id] = model_message(line.message(text))

    @property
    def last_speaker(self) -> str | None:
        """Id of the character that was last heard."""
        said = (one.message.character_id for one in reversed(self.messages.values()) if one.tokens)
        return next((id for id in said if id), None)
