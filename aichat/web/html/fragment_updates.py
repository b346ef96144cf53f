"""Chooses the fragments that a page needs for an event, by what it shows already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from aichat.core import Character, Message
from aichat.core.events import (
    Event,
    Interrupted,
    Line,
    LineInterrupted,
    MessageAdded,
    MessageDeleted,
    ReplyFinished,
    SpeakersChosen,
)

from .fragments import Painter

Shown = (
    SpeakersChosen | MessageAdded | MessageDeleted | ReplyFinished | Interrupted | LineInterrupted
)


@define(eq=False)
class Showing:
    """One conversation, as its pages show it. *turns* are the lines of the last turns, by id."""

    painter: Painter
    turns: Mapping[str, tuple[Line, ...]]
    kept: dict[str, None] = field(factory=dict)
    """Ids of this turn's stored messages, oldest first."""

    def note(self, event: Event) -> None:
        """Take in an event, also while no page is open."""
        if isinstance(event, MessageAdded):
            self.kept[event.message.message_id] = None
        elif isinstance(event, SpeakersChosen):
            self.kept.clear()

    def html(self, event: Shown, cast: Sequence[Character]) -> str:
        """Return the fragments that show *event*; empty if none do."""
        if isinstance(event, Interrupted | LineInterrupted):
            return self._gone(event)
        if not isinstance(event, MessageAdded) or event.changed:
            return self.painter(event, cast)
        known = self._is_version(event.message)
        html = self.painter(event, cast) if known else self.painter.appended(event.message, cast)
        return html + self.painter.last(event.message)

    def _is_version(self, message: Message) -> bool:
        """Return whether the message is another version of one further up.

        Any other goes behind the last one; a page that shows it already replaces it there.
        """
        lines = (line for lines in self.turns.values() for line in lines)
        return any(line.message_id == message.message_id and line.says != "new" for line in lines)

    def _gone(self, event: Interrupted | LineInterrupted) -> str:
        """Return fragments that remove the lines stopped before any of them was heard."""
        if isinstance(event, LineInterrupted):
            lines: tuple[Line, ...] = (event.line,)
        else:
            lines = self.turns.get(event.turn.id, ())
        new = (line for line in lines if line.says == "new")
        return self.painter.gone(line for line in new if line.message_id not in self.kept)
