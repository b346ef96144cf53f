"""Events that end work early: barge-in, a stopped line, a failed handler, a closed conversation.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from .base import Event, LineEvent


@frozen
class Interrupted(Event):
    """The turn was interrupted: everything of it and of earlier turns is void."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class LineInterrupted(LineEvent):
    """One character was stopped: this line is void, the turn goes on with the next."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class HandlerFailed(Event):
    """A subscriber raised. The bus goes on; the room reports it to its clients."""

    handler: str
    event: Event = field(repr=lambda event: type(event).__name__)
    error: Exception = field(eq=False)

    urgent: ClassVar[bool] = True


@frozen
class ConversationClosed(Event):
    """The last client left the conversation: its state in memory is dropped, after this event."""

    urgent: ClassVar[bool] = True
