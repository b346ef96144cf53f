"""What is being written, and who would answer it: events of :mod:`aichat.core.events`."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from .base import Event, letters


@frozen
class DraftWritten(Event):
    """The user is writing *text* and has not sent it; ``SpeakersForeseen`` tells who would answer.

    *writer* and *number* name the draft; the answer carries them. Neither is ever recorded.
    """

    text: str = field(repr=letters)
    writer: str = ""
    number: int = 0

    urgent: ClassVar[bool] = True


@frozen
class SpeakersForeseen(Event):
    """These characters would answer a draft as it is now; *note* says why nobody would.

    With *perhaps* it is a throw of dice, which may fall otherwise when the draft is sent.
    """

    characters: tuple[str, ...]
    writer: str = ""
    number: int = 0
    note: str = ""
    perhaps: bool = False

    urgent: ClassVar[bool] = True
