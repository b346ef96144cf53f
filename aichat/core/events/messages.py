"""Events of stored messages: added, changed, hidden and deleted.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from aichat.core.models import Message

from .base import Event


@frozen
class MessageAdded(Event):
    """The conversation has a new message, or a corrected version of one (same ``message_id``).

    *changed*: a client edited an existing message.
    """

    message: Message = field(repr=lambda m: f"<{m.role} {m.message_id}>")
    changed: bool = False

    urgent: ClassVar[bool] = True


@frozen
class MessageDeleted(Event):
    """A message was deleted: clients and models no longer see it."""

    message_id: str

    urgent: ClassVar[bool] = True


@frozen
class MessagesHidden(Event):
    """Messages are pending deletion and can be restored: clients and models no longer see them."""

    message_ids: tuple[str, ...]

    urgent: ClassVar[bool] = True


@frozen
class MessagesRevealed(Event):
    """Hidden messages were restored, where they were."""

    message_ids: tuple[str, ...]

    urgent: ClassVar[bool] = True
