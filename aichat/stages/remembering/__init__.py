"""Stage: what was said and heard becomes messages, and messages are stored.

A line becomes a message when it is over: whole when it was played, cut to what was heard when it
was interrupted, nothing when it had not begun. The message is published at once (``MessageAdded``)
and stored meanwhile (``storage_queue.py``), so that no turn waits for a disk. What is not over yet
is stored as it grows (``unfinished_lines.py``).
"""

from __future__ import annotations

from attrs import Factory, define, evolve, field

from aichat.core import Bus, Message, Parts, PerConversation, hookimpl
from aichat.core.events import (
    AudioReady,
    Event,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    LoudspeakerLeft,
    MessageAdded,
    MessageDeleted,
    PlaybackPaused,
    PlaybackResumed,
    ReplyClause,
    ReplyFinished,
    ReplyText,
    ReplyUsage,
    ReplyWithdrawn,
    SpeakersChosen,
    SpeechSynthesized,
    ToolUsed,
    UserSaid,
)
from aichat.toolkit.message_versions import edited, rewritten

from .conversation_lines import ConversationLines
from .ledger import LineLedger
from .replays import Replays
from .storage_queue import StorageQueues
from .unfinished_lines import UnfinishedLines, left_by

LineGrew = (
    ReplyText
    | ReplyWithdrawn
    | ReplyClause
    | ReplyFinished
    | ReplyUsage
    | ToolUsed
    | SpeechSynthesized
    | AudioReady
)
"""What a ledger enters while its line goes on."""


@define
class Remembering:
    """Keeps the lines of each conversation's latest turn."""

    bus: Bus
    parts: Parts
    lines: PerConversation[ConversationLines] = field(
        default=Factory(lambda self: self.bus.per_conversation(ConversationLines), takes_self=True)
    )
    storage_queues: StorageQueues = field(init=False)
    unfinished: UnfinishedLines = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.storage_queues = StorageQueues(self.bus, self.parts)
        self.unfinished = UnfinishedLines(self.bus, self.storage_queues, self.lines)

    # -- what is said ------------------------------------------------------------------------

    def note_user(self, event: UserSaid) -> None:
        """The user's words are a message at once, or all of it once more if they go on with it."""
        lines, message = self._lines(event), event.message()
        if event.joins and lines.asked and lines.asked.message_id == event.message_id:
            lines.withdraw(event.joins)
            message = evolve(edited(lines.asked, event.text), turn_id=event.turn.id)
        lines.asked = message
        self._add(event, message)

    def begin(self, event: SpeakersChosen) -> None:
        """Open a ledger for each line, and forget the turn before."""
        lines = self._lines(event)
        lines.begin(event.turn, event.lines)
        if event.turn in lines.paused:
            for spoken in lines.of(event.turn):
                spoken.pause(self.bus.clock.now())

    def note(self, event: LineGrew) -> None:
        """Enter what happened to a line."""
        spoken = self._lines(event).ledgers.get(event.line)
        if spoken is None:
            return
        has_grown = False
        if isinstance(event, SpeechSynthesized):  # those that come most often first
            has_grown = spoken.note_speech(event)
        elif isinstance(event, AudioReady):
            has_grown = spoken.note_sent(event)
        elif isinstance(event, ReplyText):
            spoken.written += event.text
        elif isinstance(event, ReplyWithdrawn):
            spoken.note_withdrawn(event)
            has_grown = True  # thoughts do not stay in the store
        elif isinstance(event, ReplyClause):
            spoken.note_clause(event)
            has_grown = True
        elif isinstance(event, ReplyFinished):
            spoken.is_written = True
        else:
            spoken.note_figures(event)
        if has_grown and not event.line.is_again:
            self.unfinished.note(event.line, spoken)

    def note_played(self, event: LinePlayed) -> None:
        """Enter how far a loudspeaker is; after an interruption this is the truth."""
        lines = self._lines(event)
        if (spoken := lines.ledgers.get(event.line)) is None:
            return
        exact = event.state in ("flushed", "done")
        spoken.note_played(event.loudspeaker, self.bus.clock.now(), event.played_ms, exact)
        if exact and event.line in lines.cut:
            self._cut(event, event.line, spoken)

    def note_left(self, event: LoudspeakerLeft) -> None:
        """Count on a loudspeaker no more."""
        for spoken in self._lines(event).ledgers.values():
            spoken.leave(event.loudspeaker, self.bus.clock.now())

    def pause(self, event: PlaybackPaused) -> None:
        """Nothing more is heard for now."""
        lines = self._lines(event)
        lines.paused.setdefault(event.turn, set()).add(event.cause)
        for spoken in lines.of(event.turn):
            spoken.pause(self.bus.clock.now())

    def resume(self, event: PlaybackResumed) -> None:
        """What was sent goes on being heard, once no cause is left."""
        lines = self._lines(event)
        causes = lines.paused.get(event.turn, set())
        causes.discard(event.cause)
        if not causes:
            lines.paused.pop(event.turn, None)
            for spoken in lines.of(event.turn):
                spoken.resume(self.bus.clock.now())

    def _lines(self, event: Event) -> ConversationLines:
        return self.lines.of(event.turn.conversation)

    # -- what is over ------------------------------------------------------------------------

    def finish(self, event: LineFinished) -> None:
        """A line was played: it is a message."""
        line = event.line
        spoken = self._lines(event).ledgers.pop(line, None)
        if spoken is None or line.is_again:
            return
        if spoken.written.strip():
            self._leave(event, line, self._message(line, spoken), spoken)
        else:
            self._restore(event, line, spoken)

    def interrupt_line(self, event: LineInterrupted) -> None:
        """One speaker was stopped."""
        self._interrupt(event, event.line)

    def interrupt(self, event: Interrupted) -> None:
        """All characters were stopped; a line that was not heard leaves no message."""
        for line in list(self._lines(event).ledgers):
            if line.turn.number <= event.turn.number:
                self._interrupt(event, line)

    def _interrupt(self, event: Interrupted | LineInterrupted, line: Line) -> None:
        lines = self._lines(event)
        spoken = lines.ledgers.get(line)
        if spoken is None or line in lines.cut or line.is_again:
            return
        lines.unheard.keep(line, spoken)
        spoken.stopped_at = self.bus.clock.now()
        if not spoken.has_begun:
            self._restore(event, line, spoken)
            return
        if spoken.sent and not spoken.is_exact:
            lines.cut.add(line)  # each loudspeaker will say where it stopped
        self._cut(event, line, spoken)

    def _cut(
        self, event: Interrupted | LineInterrupted | LinePlayed, line: Line, spoken: LineLedger
    ) -> None:
        lines = self._lines(event)
        heard, before = spoken.heard(self.bus.clock.now()), lines.unheard.of(line)
        if not heard and (line in lines.replaced or before is None):
            self._restore(event, line, spoken)
            return
        if not isinstance(event, LinePlayed) or before is None or before.heard != heard:
            message = evolve(self._message(line, spoken), interrupted=True, heard=heard)
            lines.unheard.note(self._leave(event, line, message, spoken))

    @staticmethod
    def _message(line: Line, spoken: LineLedger) -> Message:
        return evolve(line.message(spoken.written.strip()), extensions=dict(spoken.figures))

    def _leave(self, event: Event, line: Line, message: Message, spoken: LineLedger) -> Message:
        """Publish the message that a line leaves; another version has the old ones beside it."""
        if (before := self._lines(event).replaced.get(line)) is not None:
            message = rewritten(before, message)
        message = left_by(message, spoken)
        self._add(event, message)
        return message

    def _restore(self, event: Event, line: Line, spoken: LineLedger) -> None:
        """Nothing came of a line; of another version: the message is again what it was."""
        if (before := self._lines(event).replaced.get(line)) is not None:
            self._add(event, before)
        elif spoken.draft and not spoken.edited:
            self.storage_queues.delete(line.turn, line.message_id)

    def _add(self, event: Event, message: Message) -> None:
        self.bus.post(MessageAdded(event.turn, message))

    def correct(self, event: MessageAdded | MessageDeleted) -> None:
        """A message was edited or deleted: the unheard rest of it changes, or goes."""
        lines = self._lines(event)
        if isinstance(event, MessageDeleted):
            lines.unheard.messages.pop(event.message_id, None)
            for line in [one for one in lines.ledgers if one.message_id == event.message_id]:
                del lines.ledgers[line]
        elif event.changed:
            id = event.message.message_id
            if lines.asked and lines.asked.message_id == id:
                lines.asked = event.message
            if id in lines.unheard.messages:
                lines.unheard.note(event.message)
            for line in lines.replaced:
                if line.message_id == id:  # it stays beside the version that is being written
                    lines.replaced[line] = event.message
            for line, spoken in lines.ledgers.items():
                if line.message_id == id and line not in lines.replaced:
                    spoken.edited = event.message

    def store(self, event: MessageAdded | MessageDeleted) -> None:
        """Have the message written, or taken away."""
        if isinstance(event, MessageAdded):
            self.storage_queues.add(event.turn, event.message)
        else:
            self.storage_queues.delete(event.turn, event.message_id)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Remember both sides."""
    remembering = Remembering(bus, parts)
    bus.tap(remembering.note_user)
    bus.tap(remembering.begin)
    bus.tap(remembering.note, interruptible=True)
    bus.tap(remembering.note_played)
    bus.tap(remembering.note_left)
    bus.tap(remembering.pause)
    bus.tap(remembering.resume)
    bus.tap(remembering.finish, interruptible=True)
    bus.tap(remembering.interrupt_line)
    bus.tap(remembering.interrupt)
    bus.tap(remembering.correct)
    replays = Replays(bus, parts, remembering.lines)
    bus.subscribe(replays.revive, interruptible=True)
    bus.tap(remembering.store)
    bus.tap(remembering.unfinished.store)
    bus.tap(remembering.storage_queues.forget)
    bus.subscribe(remembering.storage_queues.write, keeps=True)
