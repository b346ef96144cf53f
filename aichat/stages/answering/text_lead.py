"""The text lead: how far the text of a turn is ahead of the loudspeaker.

Text that may never be heard should not be paid for: a character begins to write only when less than
a set time of speech is waiting. (Within a line, back-pressure from the player stops the model.)
"""

from __future__ import annotations

from attrs import define, field

from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.events import AudioReady, LineFinished, LineInterrupted, ReplyClause
from aichat.toolkit.voices.speech_check import LETTER_SECONDS

AHEAD_SECONDS = 30.0
"""Seconds of speech that may wait when the next character begins: more than any voice needs to get
ready, and little enough to lose."""


@define
class TextLead:
    """The clauses of one turn that the loudspeaker has not reached, and their seconds."""

    waiting: dict[tuple[int, int], float] = field(factory=dict)
    """By place and index, in the order in which they will be heard."""
    changed: ChangeSignal = field(factory=ChangeSignal)

    def note(self, event: ReplyClause | AudioReady | LineFinished | LineInterrupted) -> None:
        """Take in what was written, played or given up."""
        place = event.line.place
        if isinstance(event, ReplyClause):
            self.waiting[place, event.index] = len(event.text) * LETTER_SECONDS
        elif isinstance(event, LineInterrupted):
            self._keep({at: s for at, s in self.waiting.items() if at[0] != place})
        elif isinstance(event, LineFinished) or event.pcm:
            reached = (place + 1, 0) if isinstance(event, LineFinished) else (place, event.index)
            if next(iter(self.waiting), reached) < reached:
                self._keep({at: s for at, s in self.waiting.items() if at >= reached})

    def _keep(self, waiting: dict[tuple[int, int], float]) -> None:
        self.waiting = waiting
        self.changed.notify_all()

    async def wait_until_near(self) -> None:
        """Wait until the loudspeaker has come near enough."""
        while sum(self.waiting.values()) > AHEAD_SECONDS:
            await self.changed.wait()
