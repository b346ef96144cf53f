"""What ends work early: barge-in, a stopped line, a failed handler, a closed conversation.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from .base import Event, LineEvent


@frozen
class Interrupted(Event):
    """The user broke in: everything of this turn and before is void."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class LineInterrupted(LineEvent):
    """One speaker was stopped: this line is void, the turn goes on with the next."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class HandlerFailed(Event):
    """A subscriber raised. The bus goes on; whoever cares tells the user."""

    handler: str
    event: Event = field(repr=lambda event: type(event).__name__)
    error: Exception = field(eq=False)

    urgent: ClassVar[bool] = True


@frozen
class ConversationClosed(Event):
    """Nobody is in the conversation any more: forget what is kept of it in memory."""

    urgent: ClassVar[bool] = True
