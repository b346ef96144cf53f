"""What of a line was written, spoken and heard.

Positions are samples at 24 kHz. How far the loudspeaker is comes from the browser's reports; while
there are none, from the moments at which the audio sent so far was due.
"""

from __future__ import annotations

import math
from typing import Any

from attrs import define, field

from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    ReplyClause,
    ReplyUsage,
    ReplyWithdrawn,
    SpeechSynthesized,
    SpokenWord,
    ToolUsed,
)


@define
class Clause:
    """One clause: its text as shown and as spoken, its words' times, its length so far."""

    shown: str
    text: str
    words: list[SpokenWord] = field(factory=list)
    samples: int = 0
    is_complete: bool = False

    def heard(self, samples: int) -> str:
        """Return what of the shown text was heard after so many samples of the clause."""
        if self.is_complete and samples >= self.samples:
            return self.shown
        return shown_up_to(self.shown, self.text[: self._letters(samples)])

    def _letters(self, samples: int) -> int:
        """How many letters of the spoken text: by the engine's word times, else by proportion."""
        if self.words:
            return max((word.end for word in self.words if word.at < samples), default=0)
        if not self.samples:
            return 0
        reached = len(self.text) * samples // self.samples
        if reached >= len(self.text):
            return len(self.text)
        return max(self.text.rfind(" ", 0, reached + 1), 0)


def shown_up_to(shown: str, spoken: str) -> str:
    """Return the beginning of *shown* that holds the words of *spoken*, its mark-up included."""
    end = 0
    for word in spoken.split():
        found = shown.find(word, end)
        if found >= 0:
            end = found + len(word)
    return shown[:end]


@define
class Spoken:
    """One line's ledger."""

    written: str = ""
    is_written: bool = False
    """The text is complete."""
    clauses: dict[int, Clause] = field(factory=dict)
    sent: list[tuple[float, int]] = field(factory=list)
    """For each frame sent: when it was due, and the line's sample at its end."""
    reported: tuple[float, int] | None = None
    """When the loudspeaker last told its position, and what it was."""
    is_exact: bool = False
    """The report is the last word: the loudspeaker has flushed or finished the line."""
    figures: dict[str, Any] = field(factory=dict)
    """What is known of the reply beside its text, as a message's extensions have it."""
    paused_at: float | None = None
    """Since when the loudspeaker holds its position."""

    def note_figures(self, event: ReplyUsage | ToolUsed) -> None:
        """Take in what the reply took, and the tools that it used."""
        if isinstance(event, ReplyUsage):
            names = ("model", "prompt_tokens", "reply_tokens", "cost")
            self.figures["usage"] = {name: getattr(event, name) for name in names}
        else:
            used = {"name": event.name, "arguments": event.arguments}
            told = {**used, "result": event.result, "failed": event.failed}
            self.figures.setdefault("tools", []).append(told)

    def note_clause(self, event: ReplyClause) -> None:
        """Take in a clause's text."""
        self.clauses[event.index] = Clause(event.shown, event.text)

    def note_withdrawn(self, event: ReplyWithdrawn) -> None:
        """Take in that clauses were no part of the reply; what was heard of them is none either."""
        self.written = event.text
        left = self.sent[-1][1] if self.sent else 0
        for index, clause in sorted(self.clauses.items()):
            if event.first <= index < event.until:  # nothing more of it will be sent
                clause.shown, clause.samples = "", min(clause.samples, left)
            left = max(0, left - clause.samples)

    def note_speech(self, event: SpeechSynthesized) -> None:
        """Take in a clause's audio and word times."""
        clause = self.clauses[event.index]
        clause.samples += len(event.pcm) // 2
        clause.words += event.words
        clause.is_complete = clause.is_complete or event.last

    def note_sent(self, event: AudioReady) -> None:
        """Take in that audio went to the loudspeaker."""
        if event.pcm:
            before = self.sent[-1][1] if self.sent else 0
            self.sent.append((event.due, before + len(event.pcm) // 2))

    def note_played(self, now: float, played_ms: float, is_exact: bool) -> None:
        """Take in the loudspeaker's report."""
        sent = self.sent[-1][1] if self.sent else 0
        samples = min(max(int(played_ms * SPEAKER_RATE / 1000), 0), sent)
        if not self.is_exact:
            self.reported, self.is_exact = (now, samples), is_exact

    def pause(self, now: float) -> None:
        """The loudspeaker holds its position."""
        if self.paused_at is None:
            self.paused_at = now

    def resume(self, now: float) -> None:
        """The loudspeaker goes on: what was yet to be played comes so much later."""
        if self.paused_at is None:
            return
        paused, self.paused_at = self.paused_at, None
        unplayed = self._unplayed(paused)
        self.sent = self.sent[: len(self.sent) - len(unplayed)] + [
            (due + now - paused, end) for due, end in unplayed
        ]
        if self.reported:
            told_at, samples = self.reported
            self.reported = (now - max(0.0, paused - told_at), samples)

    def _unplayed(self, now: float) -> list[tuple[float, int]]:
        """Return the frames that had not been played to their end."""
        ends = [*(due for due, _ in self.sent[1:]), math.inf]
        return [frame for frame, end in zip(self.sent, ends, strict=False) if end > now]

    def played(self, now: float) -> int:
        """Return how many samples of the line have been heard."""
        if not self.sent:
            return 0
        now = now if self.paused_at is None else self.paused_at
        if self.reported is None:
            return self._due(now)
        told_at, samples = self.reported
        if self.is_exact:
            return samples
        if not samples:  # it waited for the speaker before: it has not sounded since the report
            told_at = max(told_at, self.sent[0][0])
        return min(samples + int(max(0.0, now - told_at) * SPEAKER_RATE), self.sent[-1][1])

    def _due(self, now: float) -> int:
        samples = 0
        for due, end in self.sent:
            if due >= now:
                break
            samples = min(end, samples + int((now - due) * SPEAKER_RATE))
        return samples

    @property
    def has_begun(self) -> bool:
        """Some of it went to the loudspeaker, or its voice failed and it was only to be read."""
        failed = (c.is_complete and c.text and not c.samples for c in self.clauses.values())
        return bool(self.sent) or any(failed)

    def heard(self, now: float) -> str:
        """Return what of the line's text was heard."""
        left, text = self.played(now), ""
        for _, clause in sorted(self.clauses.items()):
            if left <= 0 and clause.samples:
                break
            if not clause.samples and not clause.is_complete:
                break
            text += clause.heard(left)
            left -= clause.samples
        return text.rstrip()
