"""A reply as it is written: its text is shown piece by piece, its clauses are given to be spoken.

Pieces that come faster than people can see are joined, at most up to the end of a clause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import anyio
from attrs import Factory, define, field

from aichat.core import Bus, Usage
from aichat.core.bus.streams import IdleTimeout
from aichat.core.events import (
    Event,
    Line,
    ReplyClause,
    ReplyFinished,
    ReplyRetried,
    ReplyText,
    ReplyUsage,
    ReplyWithdrawn,
)

from .clauses import Clauses
from .reply_bounds import shows
from .spoken_symbols import language_after, reply_in

JOIN_SECONDS = 0.005
"""Text that follows within this time is shown together with it."""

LONG = 2_000
"""Letters of a clause, as an action over paragraphs, beyond which its filters run in a thread."""

Filter = Callable[[str], str]
N = TypeVar("N", int, float)


@define
class Reply:
    """One line's reply. *filters* make of a clause what is read out, one after the other.

    *is_shown*: its text is visible already, and is only to be spoken.
    """

    bus: Bus
    line: Line
    filters: Iterable[Filter] = ()
    is_shown: bool = False
    written: list[str] = field(factory=list)
    """Its text, in pieces: to join them each time would take longer and longer."""
    held: str = ""
    shown_at: float = field(default=Factory(lambda self: self.bus.clock.now(), takes_self=True))
    pieces: int = 0
    clauses: Clauses = field(factory=Clauses)
    made: int = 0
    usage: Usage | None = None
    """Tokens and cost, once the model has reported them."""
    retries: int = 0
    """How often the model was asked again because it began as somebody else."""
    language: str = "en"
    """The language that its text has shown so far."""
    round_text: int = 0
    """Letters, and"""
    round_made: int = 0
    """clauses that were there before this round."""

    def begin_round(self) -> int:
        """The model begins to write, or goes on; return how much text there is already."""
        self.round_text, self.round_made = len(self.text), self.made
        return self.round_text

    async def withdraw(self) -> None:
        """Take back what was written in this round: it was no part of the reply."""
        self.text, self.held = self.text[: self.round_text], ""
        self.clauses = Clauses(made=self.round_made)
        await self.bus.publish(ReplyWithdrawn(self.line, self.text, self.round_made, self.made))

    @property
    def text(self) -> str:
        """What was written so far."""
        if len(self.written) > 1:
            self.written = ["".join(self.written)]
        return self.written[0] if self.written else ""

    @text.setter
    def text(self, text: str) -> None:
        self.written = [text] if text else []

    async def add(self, delta: str) -> list[str]:
        """Show *delta*; return the clauses that it completes, to be handed over."""
        if not self.written:
            delta = delta.lstrip()
        if not delta:
            return []
        self.written.append(delta)
        self.held += delta
        complete = self.clauses.feed(delta)
        now = self.bus.clock.now()
        if complete or now - self.shown_at >= JOIN_SECONDS:
            self.shown_at = now
            await self._show()
        return complete

    async def take(self, text: str, waiting: IdleTimeout) -> None:
        """Add what was written, and hand over; what shows nothing is no sign of life."""
        if complete := await self.add(text):
            with waiting.paused():  # back-pressure: this may wait for the loudspeaker
                await self.hand_over(complete)
        if shows(text):
            waiting.renew()

    async def pause(self) -> None:
        """Hand over all there is: what follows takes time, and is a sentence of its own."""
        if self.text and not self.text[-1].isspace():
            await self.hand_over(await self.add(" "))
        await self._show()
        await self.hand_over(self.clauses.flush())

    def count(self, took: Usage) -> None:
        """Add what one round took."""
        so_far = self.usage or Usage()
        self.usage = Usage(
            took.model or so_far.model,
            _sum(so_far.prompt_tokens, took.prompt_tokens),
            _sum(so_far.reply_tokens, took.reply_tokens),
            _sum(so_far.cost, took.cost),
        )

    async def retry(self) -> None:
        """The model is asked again: it began as somebody else, and nothing was shown."""
        self.retries += 1
        await self.bus.publish(ReplyRetried(self.line))

    async def report_usage(self) -> None:
        """Publish what the reply took, if that is known, and that the model was asked again."""
        if self.usage or self.retries:
            took = self.usage or Usage()
            numbers = (took.prompt_tokens, took.reply_tokens, took.cost, self.retries)
            await self.bus.publish(ReplyUsage(self.line, took.model, *numbers))

    async def finish(self) -> None:
        """Hand over the rest."""
        await self._show()
        await self.hand_over(self.clauses.flush())
        await self.bus.publish(ReplyFinished(self.line, self.text, self.made))

    async def _show(self) -> None:
        held, self.held = self.held, ""
        if held and not self.is_shown:
            await self.bus.publish(ReplyText(self.line, held, self.pieces))
            self.pieces += 1

    async def hand_over(self, pieces: list[str]) -> None:
        """Publish clauses to be spoken; waits when the line is far ahead of the loudspeaker."""
        for piece in pieces:
            text = await self._read_out(piece)
            clause = ReplyClause(self.line, self.made, text, piece)
            self.made += 1
            await self.bus.publish(clause)

    async def _read_out(self, text: str) -> str:
        """Apply the filters; one that fails is reported, and does without."""
        self.language = language_after(text, self.language)
        with reply_in(self.language):
            if len(text) <= LONG:
                text, errors = filtered(text, self.filters)
            else:
                text, errors = await anyio.to_thread.run_sync(filtered, text, self.filters)
        for error in errors:
            self.bus.report(Event(self.line.turn), error)
        return text


def filtered(text: str, filters: Iterable[Filter]) -> tuple[str, list[Exception]]:
    """Return what *filters* make of a text, one after the other, and how some of them failed."""
    errors: list[Exception] = []
    for make_speakable in filters:
        try:
            if not isinstance(made := make_speakable(text), str):
                raise TypeError(f"{make_speakable!r} made {type(made).__name__}, not text")
            text = made
        except Exception as error:
            errors.append(error)
    return text, errors


def _sum(one: N | None, other: N | None) -> N | None:
    """Add up what is known."""
    known = [number for number in (one, other) if number is not None]
    return sum(known) if known else None
