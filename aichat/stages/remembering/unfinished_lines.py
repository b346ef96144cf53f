"""Lines that go on are stored clause by clause, so that a crash loses at most a clause of them.

A draft looks as if its line had been interrupted just now: ``interrupted``, with what was written,
and what went to the loudspeaker as ``heard``. It is not published (there is no ``MessageAdded``);
when the line is over, its message takes the draft's place.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define, evolve, frozen

from aichat.core import Bus, Message, PerConversation
from aichat.core.events import Event, Line
from aichat.toolkit.message_versions import rewritten

from .conversation_lines import ConversationLines
from .ledger import LineLedger
from .storage_queue import StorageQueues

DRAFT_SECONDS = 0.02
"""Seconds after a clause at which the unfinished line is stored: the first audio goes before."""
LETTERS_A_SECOND = 100_000
"""Letters written to the store per second, about: a long unfinished line waits longer."""


@frozen
class DraftDue(Event):
    """Unfinished lines of a conversation have grown, and are to be stored."""

    urgent: ClassVar[bool] = True
    internal: ClassVar[bool] = True


@define(eq=False)
class UnfinishedLines:
    """Stores the lines that have grown, of those that the stage keeps."""

    bus: Bus
    storage_queues: StorageQueues
    lines: PerConversation[ConversationLines]

    def note(self, line: Line, spoken: LineLedger) -> None:
        """Note that a line has grown; it is stored after a pause."""
        lines = self.lines.of(line.turn.conversation)
        if lines.grown is not None:
            lines.grown[line] = None
            return
        pause = DRAFT_SECONDS + len(spoken.written) / LETTERS_A_SECOND
        if self.bus.post_later(DraftDue(line.turn), pause):
            lines.grown = {line: None}

    def store(self, event: DraftDue) -> None:
        """Have the lines stored as they are now."""
        lines = self.lines.of(event.turn.conversation)
        grown, lines.grown = lines.grown or {}, None
        for line in grown:
            spoken = lines.ledgers.get(line)
            if spoken is None or spoken.stopped_at is not None or spoken.is_replaced:
                continue
            if not spoken.written.strip():
                continue
            spoken.draft = left_by(_draft(line, spoken, lines.replaced.get(line)), spoken)
            self.storage_queues.add(line.turn, spoken.draft, is_final=False)


def _draft(line: Line, spoken: LineLedger, before: Message | None) -> Message:
    """Return an unfinished line as a message; *before*: that of which it is another version."""
    draft = evolve(
        line.message(spoken.written.strip()),
        extensions=dict(spoken.figures),
        interrupted=True,
        heard=spoken.sent_text(),
    )
    return draft if before is None else rewritten(before, draft)


def left_by(message: Message, spoken: LineLedger) -> Message:
    """Return the message that a line leaves: an edit of its draft stands."""
    if spoken.edited is None:
        return message
    if spoken.is_replaced:
        return spoken.edited
    return evolve(message, extensions={**spoken.edited.extensions, **message.extensions})
