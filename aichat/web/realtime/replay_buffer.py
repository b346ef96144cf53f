"""Audio that was sent and may not have been played yet, for clients that reconnect.

Audio that every client reports as played is removed; for clients that do not report, only the
length of the buffer bounds it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from attrs import define, evolve, field, frozen

from aichat.core.events import SPEAKER_RATE, Line

REPLAY_SECONDS = 60
"""Most seconds of audio kept: a connection that died silently is noticed within 40 s."""
REPLAY_BYTES = 2 * SPEAKER_RATE * REPLAY_SECONDS

Place = tuple[int, int, int]
"""A position in a conversation's audio: turn number, the line's place, samples into the line."""


@frozen
class Piece:
    """One frame of audio as it was sent; *chunk* and *start* (samples) count within the line."""

    event_id: int
    line: Line
    chunk: int
    start: int
    pcm: bytes
    last: bool

    @property
    def end(self) -> Place:
        """The position after its last sample."""
        return place_of(self.line, self.start + len(self.pcm) // 2)

    def after(self, samples: int) -> Piece:
        """Return the rest of it after the first *samples* of the line."""
        skip = min(max(0, samples - self.start), len(self.pcm) // 2)
        return evolve(self, start=self.start + skip, pcm=self.pcm[2 * skip :])


def place_of(line: Line, samples: int) -> Place:
    """Return the position *samples* into *line*."""
    return (line.turn.number, line.place, samples)


@define(eq=False)
class ReplayBuffer:
    """The latest audio of a conversation, in the order in which it was sent."""

    pieces: deque[Piece] = field(factory=deque)
    size: int = 0
    sent: Counter[Line] = field(factory=Counter)
    """Samples sent of each of this turn's lines."""
    chunks: Counter[Line] = field(factory=Counter)
    """Frames sent of each of this turn's lines."""

    def begin(self) -> None:
        """Reset the counters for a new turn; audio of the turn before may still be unplayed."""
        self.sent.clear()
        self.chunks.clear()

    def add(self, event_id: int, line: Line, pcm: bytes, last: bool) -> Piece:
        """Add audio that is being sent, and return it as a frame. When full, drop the oldest."""
        piece = Piece(event_id, line, self.chunks[line], self.sent[line], pcm, last)
        self.chunks[line] += 1
        self.sent[line] += len(pcm) // 2
        self.pieces.append(piece)
        self.size += len(pcm)
        while self.size > REPLAY_BYTES:
            self._forget()
        return piece

    def let_go(self, played: Place) -> None:
        """Remove audio up to *played*: every client has played it."""
        while self.pieces and self.pieces[0].end <= played:
            self._forget()

    def cut(self, generation: int, line: Line | None = None) -> None:
        """Remove the audio of all turns up to *generation*, or of one line."""
        self.pieces = deque(
            piece
            for piece in self.pieces
            if (piece.line != line if line else piece.line.turn.number > generation)
        )
        self.size = sum(len(piece.pcm) for piece in self.pieces)

    def after(self, event_id: int) -> Iterator[Piece]:
        """Yield audio sent after an event."""
        return (piece for piece in self.pieces if piece.event_id > event_id)

    def beyond(self, played: Place) -> Iterator[Piece]:
        """Yield audio after the position *played*, from the very next sample on."""
        for piece in self.pieces:
            if piece.end > played or (piece.end == played and piece.last):
                inside = place_of(piece.line, 0)[:2] == played[:2]
                yield piece.after(played[2]) if inside else piece

    def _forget(self) -> None:
        self.size -= len(self.pieces.popleft().pcm)
