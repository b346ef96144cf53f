"""Stage: what was said and heard becomes messages, and messages are stored.

A line becomes a message when it is over: whole when it was played, cut to what was heard when it
was interrupted, nothing when it had not begun. The message is published at once (``MessageAdded``)
and stored meanwhile (``storage_queue.py``), so that no turn waits for a disk. What is not over yet
is stored as it grows (``unfinished_lines.py``).
"""

from __future__ import annotations

from attrs import define, evolve, field

from aichat.core import Bus, Message, Parts, hookimpl
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
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
    Turn,
    UserSaid,
)
from aichat.toolkit.message_versions import rewritten

from .ledger import LineLedger
from .replays import Replays
from .storage_queue import StorageQueues
from .unfinished_lines import UnfinishedLines, left_by
from .unheard import UnheardLines


@define
class Remembering:
    """Keeps the ledgers of each conversation's latest turn."""

    bus: Bus
    parts: Parts
    ledgers: dict[str, dict[Line, LineLedger]] = field(factory=dict)
    cut: set[Line] = field(factory=set)
    """Interrupted lines whose loudspeakers may yet say where they stopped."""
    paused: dict[Turn, set[str]] = field(factory=dict)
    """Why the loudspeakers of a turn hold their position."""
    rests: dict[str, UnheardLines] = field(factory=dict)
    """What was cut off of each conversation's last turns."""
    replaced: dict[Line, Message] = field(factory=dict)
    """The messages of which lines are another version."""
    storage_queues: StorageQueues = field(init=False)
    unfinished: UnfinishedLines = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.storage_queues = StorageQueues(self.bus, self.parts)
        self.unfinished = UnfinishedLines(
            self.bus, self.storage_queues, self._ledger, self.replaced
        )

    # -- what is said ------------------------------------------------------------------------

    def note_user(self, event: UserSaid) -> None:
        """The user's words are a message at once."""
        self._add(event, event.message())

    def begin(self, event: SpeakersChosen) -> None:
        """Open a ledger for each line, and forget the turn before."""
        self._forget_turn(event.turn.conversation, but=event.turn)
        self.ledgers[event.turn.conversation] = {line: LineLedger() for line in event.lines}
        if event.turn in self.paused:
            for spoken in self._of(event.turn):
                spoken.pause(self.bus.clock.now())

    def note(
        self,
        event: ReplyText
        | ReplyWithdrawn
        | ReplyClause
        | ReplyFinished
        | ReplyUsage
        | ToolUsed
        | SpeechSynthesized
        | AudioReady,
    ) -> None:
        """Enter what happened to a line."""
        spoken = self._ledger(event.line)
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
        if (spoken := self._ledger(event.line)) is None:
            return
        exact = event.state in ("flushed", "done")
        spoken.note_played(event.loudspeaker, self.bus.clock.now(), event.played_ms, exact)
        if exact and event.line in self.cut:
            self._cut(event, event.line, spoken)

    def note_left(self, event: LoudspeakerLeft) -> None:
        """Count on a loudspeaker no more."""
        for spoken in self.ledgers.get(event.turn.conversation, {}).values():
            spoken.leave(event.loudspeaker, self.bus.clock.now())

    def pause(self, event: PlaybackPaused) -> None:
        """Nothing more is heard for now."""
        self.paused.setdefault(event.turn, set()).add(event.cause)
        for spoken in self._of(event.turn):
            spoken.pause(self.bus.clock.now())

    def resume(self, event: PlaybackResumed) -> None:
        """What was sent goes on being heard, once no cause is left."""
        causes = self.paused.get(event.turn, set())
        causes.discard(event.cause)
        if not causes:
            self.paused.pop(event.turn, None)
            for spoken in self._of(event.turn):
                spoken.resume(self.bus.clock.now())

    def _of(self, turn: Turn) -> list[LineLedger]:
        lines = self.ledgers.get(turn.conversation, {})
        return [spoken for line, spoken in lines.items() if line.turn == turn]

    # -- what is over ------------------------------------------------------------------------

    def finish(self, event: LineFinished) -> None:
        """A line was played: it is a message."""
        line = event.line
        spoken = self.ledgers.get(event.turn.conversation, {}).pop(line, None)
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
        for line in list(self.ledgers.get(event.turn.conversation, ())):
            if line.turn.number <= event.turn.number:
                self._interrupt(event, line)

    def _interrupt(self, event: Interrupted | LineInterrupted, line: Line) -> None:
        spoken = self._ledger(line)
        if spoken is None or line in self.cut or line.is_again:
            return
        self._rest(line.turn.conversation).keep(line, spoken)
        spoken.stopped_at = self.bus.clock.now()
        if not spoken.has_begun:
            self._restore(event, line, spoken)
            return
        if spoken.sent and not spoken.is_exact:
            self.cut.add(line)  # each loudspeaker will say where it stopped
        self._cut(event, line, spoken)

    def _cut(
        self, event: Interrupted | LineInterrupted | LinePlayed, line: Line, spoken: LineLedger
    ) -> None:
        rest = self._rest(line.turn.conversation)
        heard = spoken.heard(self.bus.clock.now())
        if not heard and (line in self.replaced or not self._has_left(line)):
            self._restore(event, line, spoken)
            return
        before = rest.messages.get(line.message_id)
        if not isinstance(event, LinePlayed) or before is None or before.heard != heard:
            message = evolve(self._message(line, spoken), interrupted=True, heard=heard)
            rest.note(self._leave(event, line, message, spoken))

    @staticmethod
    def _message(line: Line, spoken: LineLedger) -> Message:
        return evolve(line.message(spoken.written.strip()), extensions=dict(spoken.figures))

    def _leave(self, event: Event, line: Line, message: Message, spoken: LineLedger) -> Message:
        """Publish the message that a line leaves; another version has the old ones beside it."""
        if (before := self.replaced.get(line)) is not None:
            message = rewritten(before, message)
        message = left_by(message, spoken)
        self._add(event, message)
        return message

    def _restore(self, event: Event, line: Line, spoken: LineLedger) -> None:
        """Nothing came of a line; of another version: the message is again what it was."""
        if (before := self.replaced.get(line)) is not None:
            self._add(event, before)
        elif spoken.draft and not spoken.edited:
            self.storage_queues.delete(line.turn, line.message_id)

    def _has_left(self, line: Line) -> bool:
        return line.message_id in self._rest(line.turn.conversation).messages

    def _ledger(self, line: Line) -> LineLedger | None:
        return self.ledgers.get(line.turn.conversation, {}).get(line)

    def _rest(self, conversation: str) -> UnheardLines:
        return self.rests.setdefault(conversation, UnheardLines())

    def _add(self, event: Event, message: Message) -> None:
        self.bus.post(MessageAdded(event.turn, message))

    def correct(self, event: MessageAdded | MessageDeleted) -> None:
        """A message was edited or deleted: the unheard rest of it changes, or goes."""
        rest, lines = self._rest(event.turn.conversation), self.ledgers.get(event.turn.conversation)
        if isinstance(event, MessageDeleted):
            rest.messages.pop(event.message_id, None)
            for line in [one for one in lines or () if one.message_id == event.message_id]:
                del self.ledgers[event.turn.conversation][line]
        elif event.changed:
            id = event.message.message_id
            if id in rest.messages:
                rest.note(event.message)
            for line in self.replaced:
                if line.message_id == id:  # it stays beside the version that is being written
                    self.replaced[line] = event.message
            for line, spoken in (lines or {}).items():
                if line.message_id == id and line not in self.replaced:
                    spoken.edited = event.message

    def store(self, event: MessageAdded | MessageDeleted) -> None:
        """Have the message written, or taken away."""
        if isinstance(event, MessageAdded):
            self.storage_queues.add(event.turn, event.message)
        else:
            self.storage_queues.delete(event.turn, event.message_id)

    def forget(self, event: ConversationClosed) -> None:
        """Drop the ledgers of a conversation."""
        self._forget_turn(event.turn.conversation)
        self.rests.pop(event.turn.conversation, None)

    def _forget_turn(self, conversation: str, but: Turn | None = None) -> None:
        self.ledgers.pop(conversation, None)
        self.cut = {line for line in self.cut if line.turn.conversation != conversation}
        for line in [n for n in self.replaced if n.turn.conversation == conversation]:
            if line.turn != but:
                del self.replaced[line]
        for turn in [t for t in self.paused if t.conversation == conversation and t != but]:
            del self.paused[turn]


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
    bus.tap(remembering.forget)
    bus.tap(remembering.correct)
    replays = Replays(bus, parts, remembering.rests, remembering.replaced)
    bus.subscribe(replays.revive, interruptible=True)
    bus.tap(remembering.store)
    bus.tap(remembering.unfinished.store)
    bus.tap(remembering.unfinished.forget)
    bus.tap(remembering.storage_queues.forget)
    bus.subscribe(remembering.storage_queues.write, keeps=True)
