"""The present state of a conversation, for a client or a page that joins in the middle of it.

A client that was connected all along has received the same, event by event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import define, field

from aichat.core import Message
from aichat.core.events import (
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    MessagesRevealed,
    PlaybackPaused,
    PlaybackResumed,
    ReplyFinished,
    ReplyText,
    ReplyWithdrawn,
    SpeakersChosen,
    ToolUsed,
    TranscriptUpdated,
    TurnFinished,
    UserStartedSpeaking,
)
from aichat.web.schemas import server_frames

LATELY = 60.0
"""Seconds. Older changes are in the store, and on every open page."""
MOST = 64
"""Most bubbles that are kept, beside those of live lines."""

LineEvent = ReplyText | ReplyWithdrawn | ReplyFinished | ToolUsed | LineFinished
Moment = (
    SpeakersChosen | MessageAdded | MessageDeleted | LineInterrupted | Interrupted | TurnFinished
    | PlaybackPaused | PlaybackResumed | UserStartedSpeaking | TranscriptUpdated
    | MessagesHidden | MessagesRevealed
)  # fmt: skip


@define(eq=False)
class LineProgress:
    """A line of a live turn; *chunks* counts the pieces in which its *text* has come."""

    line: Line
    pieces: list[str] = field(factory=list)
    chunks: int = 0
    tools: list[ToolUsed] = field(factory=list)
    is_written: bool = False
    is_over: bool = False
    """All of it was handed out, or it was stopped."""

    @property
    def text(self) -> str:
        """What is written of it."""
        return "".join(self.pieces)

    @property
    def state(self) -> server_frames.LineState:
        """Its state, as frames name it."""
        if self.is_over:
            return "over"
        return "written" if self.is_written else "writing" if self.chunks else "waiting"


Bubble = LineProgress | Message | None
"""What stands at a message's place; None: it was deleted."""


@define(eq=False)
class Snapshot:
    """One conversation. *now* is the bus's clock."""

    now: Callable[[], float]
    chosen: SpeakersChosen | None = None
    """The live turn, if any."""
    lines: dict[Line, LineProgress] = field(factory=dict)
    """Its lines, in order."""
    bubbles: dict[str, tuple[float, Bubble]] = field(factory=dict)
    """What has changed lately, oldest message first, by message id; and when it changed last."""
    hidden: set[str] = field(factory=set)
    """Ids of messages that are hidden because their deletion is pending."""
    is_held: bool = False
    """The loudspeakers hold their position."""
    is_listening: bool = False
    """The user is speaking."""
    transcript: str = ""
    """The interim transcript of the user's utterance."""

    # -- what happens, by tap ------------------------------------------------------------------

    def grow(self, event: LineEvent) -> None:
        """Take in an event that extends or ends a line."""
        growing = self.lines.get(event.line)
        if growing is None:
            return
        if isinstance(event, LineFinished):
            growing.is_over = True
        elif isinstance(event, ToolUsed):
            growing.tools.append(event)
        elif isinstance(event, ReplyText):
            growing.pieces.append(event.text)
            growing.chunks += 1
        else:
            growing.pieces, growing.is_written = [event.text], isinstance(event, ReplyFinished)
            growing.chunks += 1

    def note(self, event: Moment) -> None:
        """Take in an event that is not about a single line's text."""
        if isinstance(event, SpeakersChosen):
            self._begin(event)
        elif isinstance(event, MessageAdded):
            self._put(event.message.message_id, event.message)
        elif isinstance(event, MessageDeleted):
            self._put(event.message_id, None)
        elif isinstance(event, MessagesHidden):
            self.hidden.update(event.message_ids)
        elif isinstance(event, MessagesRevealed):
            self.hidden.difference_update(event.message_ids)
        elif isinstance(event, LineInterrupted):
            self._stop([event.line])
        elif isinstance(event, Interrupted | TurnFinished):
            self._end(event)
        else:
            self._note_user(event)

    def _note_user(
        self, event: PlaybackPaused | PlaybackResumed | UserStartedSpeaking | TranscriptUpdated
    ) -> None:
        if isinstance(event, PlaybackPaused | PlaybackResumed):
            self.is_held = isinstance(event, PlaybackPaused)
        elif isinstance(event, UserStartedSpeaking):
            self.is_listening, self.transcript = True, ""
        else:
            self.is_listening = not event.final
            self.transcript = "" if event.final else event.text

    def _begin(self, event: SpeakersChosen) -> None:
        self.chosen, self.is_held = event, False
        self.lines = {line: LineProgress(line) for line in event.lines}
        for line, growing in self.lines.items():
            if not line.is_again:
                self._put(line.message_id, growing)

    def _end(self, event: Interrupted | TurnFinished) -> None:
        if self.chosen is None or self.chosen.turn.number > event.turn.number:
            return
        if isinstance(event, Interrupted):
            self._stop(self.lines)
        self.chosen, self.lines, self.is_held = None, {}, False

    def _stop(self, lines: Iterable[Line]) -> None:
        """Take away what was stopped before anything of it was heard: it leaves no message."""
        for line in lines:
            if line in self.lines:
                self.lines[line].is_over = True
            _, bubble = self.bubbles.get(line.message_id, (0.0, None))
            if isinstance(bubble, LineProgress) and line.says == "new":
                self._put(line.message_id, None)

    def _put(self, id: str, bubble: Bubble) -> None:
        self.bubbles[id] = (self.now(), bubble)
        going_on = {line.message_id for line in self.lines}
        for old in [one for one in self.bubbles if one not in going_on][:-MOST]:
            del self.bubbles[old]

    # -- for a client that comes -----------------------------------------------------------------

    def turn(self) -> server_frames.TurnNow | None:
        """Return the live turn as far as it has come; None if there is none."""
        if self.chosen is None or not self.lines:
            return None
        event = self.chosen
        return server_frames.TurnNow(
            turn_id=event.turn.id,
            speakers=[line.character for line in self.lines],
            generation=event.turn.number,
            lines=[_line(growing) for growing in self.lines.values()],
            held=self.is_held,
            auto=server_frames.AutoOut(event.count, event.cap) if event.cap else None,
        )

    def lately(self) -> Iterator[tuple[str, Bubble]]:
        """Yield what a page may lack that was drawn a moment ago, oldest message first."""
        since = self.now() - LATELY
        for id, (at, bubble) in self.bubbles.items():
            if id not in self.hidden and (at >= since or isinstance(bubble, LineProgress)):
                yield id, bubble

    def earlier(self) -> Iterator[Message]:
        """Yield messages that the store should have by now; while it fails, it does not."""
        since = self.now() - LATELY
        for id, (at, bubble) in self.bubbles.items():
            if isinstance(bubble, Message) and at < since and id not in self.hidden:
                yield bubble


def _line(growing: LineProgress) -> server_frames.LineNow:
    line = growing.line
    return server_frames.LineNow(
        message_id=line.message_id,
        character_id=line.character,
        sequence_number=line.place,
        says=line.says,
        character_name=line.name,
        text=growing.text,
        chunk_index=growing.chunks,
        state=growing.state,
    )
