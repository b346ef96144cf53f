"""The user's draft, and who would answer it: events of :mod:`aichat.core.events`."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from .base import Event, letters


@frozen
class DraftWritten(Event):
    """The user is writing *text* and has not sent it; ``SpeakersForeseen`` names who would answer.

    *writer* and *number* identify the draft; the answer has the same. Neither event is recorded.
    """

    text: str = field(repr=letters)
    writer: str = ""
    number: int = 0

    urgent: ClassVar[bool] = True


@frozen
class SpeakersForeseen(Event):
    """These characters would answer a draft as it is now; *note* says why none would.

    *perhaps*: the choice is random, and may differ when the draft is sent.
    """

    characters: tuple[str, ...]
    writer: str = ""
    number: int = 0
    note: str = ""
    perhaps: bool = False

    urgent: ClassVar[bool] = True
