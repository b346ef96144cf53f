"""Stage: what was said and heard becomes messages, and messages are stored.

A line becomes a message when it is over: whole when it was played, cut to what was heard when it
was interrupted, nothing when it had not begun. The message is told at once (``MessageAdded``) and
stored in a lane, so that nobody waits for a disk. What the store refuses waits in memory and is
written with the next message.
"""

from __future__ import annotations

from collections import deque

from attrs import define, evolve, field

from aichat.core import AichatError, Bus, Message, NotFound, Parts, Unreachable, hookimpl, new_id
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    Event,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    LinesRevived,
    MessageAdded,
    PlaybackPaused,
    PlaybackResumed,
    ReplyClause,
    ReplyFinished,
    ReplyText,
    RestWanted,
    SpeakersChosen,
    SpeechSynthesized,
    Turn,
    UserSaid,
)

from .ledger import Spoken
from .rest import Rest, unheard

RECENT = 200
"""So many of a conversation's last messages can be asked for again."""
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
        self, event: ReplyText | ReplyClause | ReplyFinished | SpeechSynthesized | AudioReady
    ) -> None:
        """Enter what happened to a line."""
        spoken = self._ledger(event.line)
        if spoken is None:
            return
        if isinstance(event, ReplyText):
            spoken.written += event.text
        elif isinstance(event, ReplyClause):
            spoken.note_clause(event)
        elif isinstance(event, ReplyFinished):
            spoken.is_written = True
        elif isinstance(event, SpeechSynthesized):
            spoken.note_speech(event)
        else:
            spoken.note_sent(event)

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
        spoken = self.ledgers.get(event.turn.conversation, {}).pop(event.line, None)
        if spoken and spoken.written.strip():
            self._add(event, event.line.message(spoken.written.strip()))

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
        if spoken is None or line in self.cut:
            return
        self._rest(line.turn.conversation).keep(line, spoken)
        if not spoken.has_begun:
            return
        if spoken.sent and not spoken.is_exact:
            self.cut.add(line)  # the loudspeaker will tell where it stopped
        self._cut(event, line, spoken)

    def _cut(
        self, event: Interrupted | LineInterrupted | LinePlayed, line: Line, spoken: Spoken
    ) -> None:
        if heard := spoken.heard(self.bus.clock.now()):
            message = line.message(spoken.written.strip())
            message = evolve(message, interrupted=True, heard=heard)
            self._rest(line.turn.conversation).note(message)
            self._add(event, message)

    def _ledger(self, line: Line) -> Spoken | None:
        return self.ledgers.get(line.turn.conversation, {}).get(line)

    def _add(self, event: Event, message: Message) -> None:
        self.bus.post(MessageAdded(event.turn, message))

    # -- what was cut off --------------------------------------------------------------------

    async def revive(self, event: RestWanted) -> None:
        """Have the unheard rest of a message said, and the lines of its turn that left none."""
        said: list[tuple[Line, str]] = []
        try:
            message = await self._message(event)
            rest = [(message.character_id or "", message.name or "", unheard(message))]
            later = self._rest(event.turn.conversation).after(message)
            rest += [(line.character, line.name, text) for line, text in later]
            wanted = [one for one in rest if one[2].strip() or one is not rest[0]]
            said = [
                (Line(event.turn, who, place, new_id(), name), text)
                for place, (who, name, text) in enumerate(wanted)
            ]
        finally:  # also after a failure, so that the turn ends
            lines, texts = [line for line, _ in said], [text for _, text in said]
            await self.bus.publish(LinesRevived(event.turn, tuple(lines), tuple(texts)))

    async def _message(self, event: RestWanted) -> Message:
        conversation = event.turn.conversation
        if message := self._rest(conversation).messages.get(event.message_id):
            return message
        for message in await self.parts.storage.recent_messages(conversation, RECENT):
            if message.message_id == event.message_id and message.interrupted:
                return message
        raise NotFound("There is nothing left to say of that message.", "Ask for it in words.")

    def _rest(self, conversation: str) -> Rest:
        return self.rests.setdefault(conversation, Rest())

    # -- storing -----------------------------------------------------------------------------

    async def store(self, event: MessageAdded) -> None:
        """Write the message, after those that the store refused before."""
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

    def forget(self, event: ConversationClosed) -> None:
        """Drop the ledgers of a conversation."""
        self._forget_turn(event.turn.conversation)
        self.rests.pop(event.turn.conversation, None)

    def _forget_turn(self, conversation: str, but: Turn | None = None) -> None:
        self.ledgers.pop(conversation, None)
        self.cut = {line for line in self.cut if line.turn.conversation != conversation}
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
    bus.subscribe(remembering.revive, interruptible=True)
    bus.subscribe(remembering.store)
