"""What becomes of the record: messages added, changed, hidden and deleted.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from aichat.core.models import Message

from .base import Event


@frozen
class MessageAdded(Event):
    """The conversation has a new message, or a truer version of one (same ``message_id``).

    *changed*: somebody has changed one that was there.
    """

    message: Message = field(repr=lambda m: f"<{m.role} {m.message_id}>")
    changed: bool = False

    urgent: ClassVar[bool] = True


@frozen
class MessageDeleted(Event):
    """The user has deleted a message: nobody is told of it any more."""

    message_id: str

    urgent: ClassVar[bool] = True


@frozen
class MessagesHidden(Event):
    """The user has deleted messages, and may take that back: for now nobody is told of them."""

    message_ids: tuple[str, ...]

    urgent: ClassVar[bool] = True


@frozen
class MessagesRevealed(Event):
    """Messages that were hidden are there again, where they were."""

    message_ids: tuple[str, ...]

    urgent: ClassVar[bool] = True
