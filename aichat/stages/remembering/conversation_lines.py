"""What is kept of one conversation's lines while they go on, and after they were cut off."""

from __future__ import annotations

from attrs import define, field

from aichat.core import Message
from aichat.core.events import Line, Turn

from .interrupted_lines import UnheardLines
from .ledger import LineLedger


@define
class ConversationLines:
    """The lines of a conversation's latest turn, and what was cut off of its last turns."""

    asked: Message | None = None
    """The user's latest message."""
    ledgers: dict[Line, LineLedger] = field(factory=dict)
    cut: set[Line] = field(factory=set)
    """Interrupted lines whose loudspeakers may yet say where they stopped."""
    paused: dict[Turn, set[str]] = field(factory=dict)
    """Why the loudspeakers of a turn hold their position."""
    unheard: UnheardLines = field(factory=UnheardLines)
    replaced: dict[Line, Message] = field(factory=dict)
    """The messages of which lines are another version."""
    grown: dict[Line, None] | None = None
    """Lines that have grown since they were stored; None while none are about to be."""

    def begin(self, turn: Turn, lines: tuple[Line, ...]) -> None:
        """Open a ledger for each line, and forget the turn before."""
        self.ledgers = {line: LineLedger() for line in lines}
        self.cut.clear()
        self.replaced = {line: old for line, old in self.replaced.items() if line.turn == turn}
        self.paused = {paused: why for paused, why in self.paused.items() if paused == turn}

    def withdraw(self, turn: Turn) -> None:
        """Forget the lines of a turn, which were not heard: a late report makes no message."""
        for line in self.unheard.turns.pop(turn.id, {}):
            self.ledgers.pop(line, None)
            self.cut.discard(line)

    def of(self, turn: Turn) -> list[LineLedger]:
        """Return the ledgers of a turn's lines."""
        return [spoken for line, spoken in self.ledgers.items() if line.turn == turn]
