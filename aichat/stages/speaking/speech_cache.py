"""Speech that was made stays for a while, so that a message can be played again as it was."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from aichat.core import Tts, Voice
from aichat.core.events import (
    ConversationClosed,
    MessageDeleted,
    ReplyClause,
    SpeechSynthesized,
    SpokenWord,
)

KEPT_BYTES = 24 * 2**20
"""Most bytes of speech kept, of all conversations together: about nine minutes."""

Piece = tuple[bytes, tuple[SpokenWord, ...]]


@frozen
class Key:
    """What was said: a clause of a message, in a voice, when *engine* spoke the turn.

    A replay that another engine speaks is no mixture of both.
    """

    conversation: str
    message: str
    voice: str
    text: str
    engine: int


def key_of(event: ReplyClause, voice: Voice, engine: Tts | None) -> Key:
    """Name what a clause is in *voice*, while *engine* speaks the turn."""
    line = event.line
    return Key(line.turn.conversation, line.message_id, voice.voice, event.text, id(engine))


@define
class SpeechCache:
    """The last clauses that were spoken to their end, by what was said; the oldest go first."""

    kept: dict[Key, tuple[Piece, ...]] = field(factory=dict)
    size: int = 0

    def keep(self, key: Key, pieces: Iterable[Piece]) -> None:
        """Keep a clause's audio with its word times, in the place of an older take."""
        self._drop([key])
        self.kept[key] = take = tuple(pieces)
        self.size += _bytes(take)
        while self.size > KEPT_BYTES:
            self._drop([next(iter(self.kept))])

    def of(self, event: ReplyClause, key: Key) -> list[SpeechSynthesized]:
        """Return a clause's speech, if it is to be said as before and is still there."""
        if event.line.says != "again":
            return []
        pieces = self.kept.get(key, ())
        return [
            SpeechSynthesized(event.line, event.index, pcm, False, words) for pcm, words in pieces
        ]

    def forget(self, event: ConversationClosed | MessageDeleted) -> None:
        """Keep nothing of what is gone."""
        here = [key for key in self.kept if key.conversation == event.turn.conversation]
        if isinstance(event, MessageDeleted):
            here = [key for key in here if key.message == event.message_id]
        self._drop(here)

    def _drop(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.size -= _bytes(self.kept.pop(key, ()))


def _bytes(take: tuple[Piece, ...]) -> int:
    return sum(len(pcm) for pcm, _ in take)
