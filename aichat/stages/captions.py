"""Stage: when each word of a line is heard, so that pages can mark it.

The engine's own word times are used where it knows them; else a word's share of its clause's
letters. Times count from the beginning of the line, as the loudspeaker's reports do. A clause is
reported when its first sound goes out, and once more when more is known of it.
"""

from __future__ import annotations

from attrs import Factory, define, field

from aichat.core import Bus, Parts, PerConversation, hookimpl
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    ClauseTimed,
    Line,
    ReplyClause,
    SpeakersChosen,
    SpeechSynthesized,
    SpokenWord,
    Turn,
)
from aichat.toolkit.voices.speech_check import LETTER_SECONDS


@define
class Clause:
    """One clause: its text as it is read out, and what is known of its sound."""

    text: str
    marks: list[SpokenWord] = field(factory=list)
    samples: int = 0
    is_complete: bool = False
    began: int | None = None
    """The line's sample at which it begins; None before it is played."""

    def words(self) -> tuple[tuple[str, float], ...]:
        """Return its words, each with the milliseconds after the clause's beginning."""
        if self.marks:
            return tuple((self.text[m.start : m.end], _ms(m.at)) for m in self.marks)
        whole = self.samples if self.is_complete else 0
        each = _ms(whole) / len(self.text) if whole and self.text else 1000 * LETTER_SECONDS
        found, place = [], 0
        for word in self.text.split():
            place = self.text.index(word, place)
            found.append((word, place * each))
            place += len(word)
        return tuple(found)


def _ms(samples: int) -> float:
    return 1000 * samples / SPEAKER_RATE


@define
class Clauses:
    """The clauses of one turn."""

    turn: Turn
    of_line: dict[tuple[Line, int], Clause] = field(factory=dict)
    """By line and index."""
    sent: dict[Line, int] = field(factory=dict)
    """Samples of each line that went out."""


@define
class Captions:
    """Keeps the clauses of each conversation's latest turn."""

    bus: Bus
    turns: PerConversation[Clauses] = field(
        default=Factory(lambda self: self.bus.per_conversation(), takes_self=True)
    )

    def begin(self, event: SpeakersChosen) -> None:
        """Forget the turn before."""
        self.turns.set(event.turn.conversation, Clauses(event.turn))

    def note(self, event: ReplyClause | SpeechSynthesized) -> None:
        """Take in a clause's text, or some of its sound."""
        turn = self.turns.get(event.turn.conversation)
        if turn is None or turn.turn != event.turn:
            return
        if isinstance(event, ReplyClause):
            turn.of_line[event.line, event.index] = Clause(event.text)
            return
        clause = turn.of_line[event.line, event.index]
        clause.samples += len(event.pcm) // 2
        clause.marks += event.words
        clause.is_complete = event.last
        if clause.began is not None and (event.words or (event.last and not clause.marks)):
            self._report(event.line, event.index, clause)

    def play(self, event: AudioReady) -> None:
        """A clause begins where the one before it has ended."""
        line, turn = event.line, self.turns.get(event.turn.conversation)
        if not event.pcm or turn is None:
            return
        if (clause := turn.of_line.get((line, event.index))) is None:
            return
        before = turn.sent.get(line, 0)
        turn.sent[line] = before + len(event.pcm) // 2
        if clause.began is None:
            clause.began = before
            self._report(line, event.index, clause)

    def _report(self, line: Line, index: int, clause: Clause) -> None:
        assert clause.began is not None  # noqa: S101  (reported from then on)
        self.bus.post(ClauseTimed(line, index, _ms(clause.began), clause.words()))


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Report when words are heard."""
    captions = Captions(bus)
    bus.tap(captions.begin)
    bus.tap(captions.note, interruptible=True)
    bus.tap(captions.play, interruptible=True)
