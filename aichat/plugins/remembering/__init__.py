"""Stage: what was said and heard becomes messages, and messages are stored.

A line becomes a message when it is over: whole when it was played, cut to what was heard when it
was interrupted, nothing when it had not begun. The message is told at once (``MessageAdded``) and
stored in a lane, so that nobody waits for a disk. What the store refuses waits in memory and is
written with the next message.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from attrs import define, evolve, field

from aichat.core import AichatError, Bus, Message, NotFound, Parts, Unreachable, hookimpl, rewritten
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    Event,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    LinePlayed,
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

from .ledger import Spoken
from .rest import Rest
from .reviving import Reviving

UNSAVED = 1_000
"""So many messages wait in memory for a store that refuses; then the oldest are given up."""


@define
class Remembering:
    """Keeps the ledgers of each conversation's latest turn."""

    bus: Bus
    parts: Parts
    ledgers: dict[str, dict[Line, Spoken]] = field(factory=dict)
    cut: set[Line] = field(factory=set)
    """Interrupted lines whose loudspeaker has not yet told where it stopped."""
    paused: dict[Turn, set[str]] = field(factory=dict)
    """Why the loudspeakers of a turn hold their position."""
    rests: dict[str, Rest] = field(factory=dict)
    """What was cut off of each conversation's last turns."""
    replaced: dict[Line, Message] = field(factory=dict)
    """The messages of which lines are another version."""
    unsaved: deque[Message] = field(factory=lambda: deque(maxlen=UNSAVED))

    # -- what is said ------------------------------------------------------------------------

    def note_user(self, event: UserSaid) -> None:
        """The user's words are a message at once."""
        self._add(event, event.message())

    def begin(self, event: SpeakersChosen) -> None:
        """Open a ledger for each line, and forget the turn before."""
        self._forget_turn(event.turn.conversation, but=event.turn)
        self.ledgers[event.turn.conversation] = {line: Spoken() for line in event.lines}
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
        if isinstance(event, SpeechSynthesized):  # those that come most often first
            spoken.note_speech(event)
        elif isinstance(event, AudioReady):
            spoken.note_sent(event)
        elif isinstance(event, ReplyText):
            spoken.written += event.text
        elif isinstance(event, ReplyWithdrawn):
            spoken.note_withdrawn(event)
        elif isinstance(event, ReplyClause):
            spoken.note_clause(event)
        elif isinstance(event, ReplyFinished):
            spoken.is_written = True
        else:
            spoken.note_figures(event)

    def note_played(self, event: LinePlayed) -> None:
        """Enter how far the loudspeaker is; after an interruption this is the truth."""
        if (spoken := self._ledger(event.line)) is None:
            return
        exact = event.state in ("flushed", "done")
        spoken.note_played(self.bus.clock.now(), event.played_ms, exact)
        if exact and event.line in self.cut:
            self.cut.discard(event.line)
            self._cut(event, event.line, spoken)

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

    def _of(self, turn: Turn) -> list[Spoken]:
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
            self._leave(event, line, self._message(line, spoken))
        else:
            self._restore(event, line)

    def interrupt_line(self, event: LineInterrupted) -> None:
        """One speaker was stopped."""
        self._interrupt(event, event.line)

    def interrupt(self, event: Interrupted) -> None:
        """Everybody was stopped; whoever was not heard leaves no message."""
        for line in list(self.ledgers.get(event.turn.conversation, ())):
            if line.turn.number <= event.turn.number:
                self._interrupt(event, line)

    def _interrupt(self, event: Interrupted | LineInterrupted, line: Line) -> None:
        spoken = self._ledger(line)
        if spoken is None or line in self.cut or line.is_again:
            return
        self._rest(line.turn.conversation).keep(line, spoken)
        if not spoken.has_begun:
            self._restore(event, line)
            return
        if spoken.sent and not spoken.is_exact:
            self.cut.add(line)  # the loudspeaker will tell where it stopped
        self._cut(event, line, spoken)

    def _cut(
        self, event: Interrupted | LineInterrupted | LinePlayed, line: Line, spoken: Spoken
    ) -> None:
        if heard := spoken.heard(self.bus.clock.now()):
            message = evolve(self._message(line, spoken), interrupted=True, heard=heard)
            self._rest(line.turn.conversation).note(self._leave(event, line, message))
        else:
            self._restore(event, line)

    @staticmethod
    def _message(line: Line, spoken: Spoken) -> Message:
        return evolve(line.message(spoken.written.strip()), extensions=dict(spoken.figures))

    def _leave(self, event: Event, line: Line, message: Message) -> Message:
        """Tell the message that a line leaves; another version has the old ones beside it."""
        if (before := self.replaced.get(line)) is not None:
            message = rewritten(before, message)
        self._add(event, message)
        return message

    def _restore(self, event: Event, line: Line) -> None:
        """Nothing came of another version: the message is again what it was."""
        if (before := self.replaced.get(line)) is not None:
            self._add(event, before)

    def _ledger(self, line: Line) -> Spoken | None:
        return self.ledgers.get(line.turn.conversation, {}).get(line)

    def _rest(self, conversation: str) -> Rest:
        return self.rests.setdefault(conversation, Rest())

    def _add(self, event: Event, message: Message) -> None:
        self.bus.post(MessageAdded(event.turn, message))

    def correct(self, event: MessageAdded | MessageDeleted) -> None:
        """Somebody has changed a message: what is left to say of it is another text, or none."""
        rest = self._rest(event.turn.conversation)
        if isinstance(event, MessageDeleted):
            rest.messages.pop(event.message_id, None)
        elif event.changed and event.message.message_id in rest.messages:
            rest.note(event.message)

    # -- storing -----------------------------------------------------------------------------

    async def store(self, event: MessageAdded | MessageDeleted) -> None:
        """Write the message, after those that the store refused before; or take it away."""
        if isinstance(event, MessageDeleted):
            await self._unsay(event.message_id)
            return
        self.unsaved.append(event.message)
        try:
            while self.unsaved:
                await self._keep(self.unsaved[0])
                self.unsaved.popleft()
        except Unreachable as error:
            raise Unreachable(
                f"{len(self.unsaved)} message(s) could not be stored yet. {error.problem}",
                f"{error.mend} They wait in memory and are written with the next message.",
            ) from error
        except AichatError:
            self.unsaved.popleft()  # this one can never be stored; it must not hold up the rest
            raise

    async def _keep(self, message: Message) -> None:
        """Write a message; one whose character was deleted meanwhile keeps its name alone."""
        storage = self.parts.storage
        try:
            await storage.add_message(message)
        except NotFound:
            if message.character_id is None:
                raise
            await storage.add_message(evolve(message, character_id=None))

    async def _unsay(self, message_id: str) -> None:
        """Delete a message, also one that was on its way to the store."""
        kept = [message for message in self.unsaved if message.message_id != message_id]
        self.unsaved = deque(kept, maxlen=UNSAVED)
        with suppress(NotFound):  # whoever asked for it has deleted it
            await self.parts.storage.delete_message(message_id)

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
    bus.tap(remembering.pause)
    bus.tap(remembering.resume)
    bus.tap(remembering.finish, interruptible=True)
    bus.tap(remembering.interrupt_line)
    bus.tap(remembering.interrupt)
    bus.tap(remembering.forget)
    bus.tap(remembering.correct)
    reviving = Reviving(bus, parts, remembering.rests, remembering.replaced)
    bus.subscribe(reviving.revive, interruptible=True)
    bus.subscribe(remembering.store)
