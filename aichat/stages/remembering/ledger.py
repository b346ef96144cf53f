"""The ledger of a line: what of it was written, spoken and heard.

Positions are samples at 24 kHz. How far the loudspeakers are comes from the clients' reports, of
which the furthest counts; while there are none, from the moments at which the audio sent so far was
due.
"""

from __future__ import annotations

import math
from typing import Any

from attrs import define, field

from aichat.core import Message
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

SMALL, NEAR = 3, 24
"""Most letters of a small word; most letters between it and the word before it."""


@define
class Clause:
    """One clause: its text as shown and as spoken, its words' times, its length so far."""

    shown: str
    text: str
    words: list[SpokenWord] = field(factory=list)
    samples: int = 0
    is_complete: bool = False

    def heard(self, samples: int) -> str:
        """Return what of the shown text was heard after *samples* of the clause."""
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
        # a small word may be said in place of a sign, as "to" in "3 to 5": it is no other's
        last = end + NEAR if len(word) <= SMALL else len(shown)
        found = shown.find(word, end, last)
        if found >= 0:
            end = found + len(word)
    return shown[:end]


@define
class Report:
    """Where a loudspeaker said it was, and when."""

    at: float
    samples: int
    is_exact: bool = False
    """It is the last word: the loudspeaker has flushed or finished the line."""

    def reached(self, now: float, began: float) -> int:
        """Return the sample that it should be at; the line's first audio was due at *began*."""
        if self.is_exact:
            return self.samples
        # one that waited for the speaker before has not sounded since the report
        at = self.at if self.samples else max(self.at, began)
        return self.samples + int(max(0.0, now - at) * SPEAKER_RATE)


@define
class LineLedger:
    """One line's ledger."""

    written: str = ""
    is_written: bool = False
    """The text is complete."""
    clauses: dict[int, Clause] = field(factory=dict)
    sent: list[tuple[float, int]] = field(factory=list)
    """For each frame sent: when it was due, and the line's sample at its end."""
    reports: dict[str, Report] = field(factory=dict)
    """Where each loudspeaker is; the furthest counts."""
    floor: int = 0
    """How far the furthest of those has got that left."""
    stopped_at: float | None = None
    """When it was interrupted: nothing sounds after that."""
    figures: dict[str, Any] = field(factory=dict)
    """What is known of the reply beside its text, as a message's extensions have it."""
    paused_at: float | None = None
    """When the loudspeaker began to hold its position."""
    clause: int = -1
    """The clause whose audio went out last."""
    draft: Message | None = None
    """The unfinished line as it was last stored."""
    edited: Message | None = None
    """That draft as it was edited meanwhile."""

    def note_figures(self, event: ReplyUsage | ToolUsed) -> None:
        """Take in what the reply took, and the tools that it used."""
        if isinstance(event, ReplyUsage):
            names = ("model", "prompt_tokens", "reply_tokens", "cost")
            usage = {name: getattr(event, name) for name in names}
            self.figures["usage"] = usage | ({"retries": event.retries} if event.retries else {})
        else:
            used = {"name": event.name, "arguments": event.arguments}
            outcome = {**used, "result": event.result, "failed": event.failed}
            self.figures.setdefault("tools", []).append(outcome)

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

    def note_speech(self, event: SpeechSynthesized) -> bool:
        """Take in a clause's audio and word times; return whether it is to be read only."""
        clause = self.clauses[event.index]
        clause.samples += len(event.pcm) // 2
        clause.words += event.words
        clause.is_complete = clause.is_complete or event.last
        return event.last and not clause.samples

    def note_sent(self, event: AudioReady) -> bool:
        """Take in that audio went to the loudspeaker; return whether a clause began or the end."""
        if event.pcm:
            before = self.sent[-1][1] if self.sent else 0
            self.sent.append((event.due, before + len(event.pcm) // 2))
        begins, self.clause = event.index != self.clause, event.index
        return begins or event.last

    def note_played(self, loudspeaker: str, now: float, played_ms: float, is_exact: bool) -> None:
        """Take in a loudspeaker's report."""
        sent = self.sent[-1][1] if self.sent else 0
        samples = min(max(int(played_ms * SPEAKER_RATE / 1000), 0), sent)
        before = self.reports.get(loudspeaker)
        if before is None or not before.is_exact:
            self.reports[loudspeaker] = Report(now, samples, is_exact)

    def leave(self, loudspeaker: str, now: float) -> None:
        """A loudspeaker is gone: what it has played was heard, and it plays no more."""
        if (report := self.reports.pop(loudspeaker, None)) and self.sent:
            self.floor = max(self.floor, report.reached(self._until(now), self.sent[0][0]))

    @property
    def is_exact(self) -> bool:
        """Every loudspeaker has flushed or finished the line."""
        return bool(self.reports) and all(one.is_exact for one in self.reports.values())

    def pause(self, now: float) -> None:
        """The loudspeaker holds its position."""
        if self.paused_at is None:
            self.paused_at = now

    def resume(self, now: float) -> None:
        """The loudspeaker goes on: what was yet to be played comes later by the pause."""
        if self.paused_at is None:
            return
        paused, self.paused_at = self.paused_at, None
        unplayed = self._unplayed(paused)
        self.sent = self.sent[: len(self.sent) - len(unplayed)] + [
            (due + now - paused, end) for due, end in unplayed
        ]
        for report in self.reports.values():
            report.at = now - max(0.0, paused - report.at)

    def _unplayed(self, now: float) -> list[tuple[float, int]]:
        """Return the frames that had not been played to their end."""
        ends = [*(due for due, _ in self.sent[1:]), math.inf]
        return [frame for frame, end in zip(self.sent, ends, strict=False) if end > now]

    def played(self, now: float) -> int:
        """Return how many samples of the line have been heard."""
        if not self.sent:
            return 0
        now, began = self._until(now), self.sent[0][0]
        reached = [one.reached(now, began) for one in self.reports.values()] or [self._due(now)]
        return min(max(self.floor, *reached), self.sent[-1][1])

    def _until(self, now: float) -> float:
        """Return the moment until which it has sounded."""
        ends = (now, self.paused_at, self.stopped_at)
        return min(end for end in ends if end is not None)

    def _due(self, now: float) -> int:
        samples = 0
        for due, end in self.sent:
            if due >= now:
                break
            samples = min(end, samples + int((now - due) * SPEAKER_RATE))
        return samples

    @property
    def is_replaced(self) -> bool:
        """Somebody has written another text in its place; a mere note leaves it cut short."""
        return self.edited is not None and not (
            self.edited.interrupted and self.written.lstrip().startswith(self.edited.content)
        )

    @property
    def has_begun(self) -> bool:
        """Some of it went to the loudspeaker, or its voice failed and it was only to be read."""
        failed = (c.is_complete and c.text and not c.samples for c in self.clauses.values())
        return bool(self.sent) or any(failed)

    def heard(self, now: float) -> str:
        """Return what of the line's text was heard."""
        return self._text(self.played(now))

    def sent_text(self) -> str:
        """Return what of the line's text went to the loudspeaker."""
        return self._text(self.sent[-1][1] if self.sent else 0)

    def _text(self, left: int) -> str:
        """Return what is heard within *samples* of the line."""
        text = ""
        for _, clause in sorted(self.clauses.items()):
            if left <= 0 and clause.samples:
                break
            if not clause.samples and not clause.is_complete:
                break
            text += clause.heard(left)
            left -= clause.samples
        return text.rstrip()
