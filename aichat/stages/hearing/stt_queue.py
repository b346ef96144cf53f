"""One recogniser for all sessions: finals before interims, and interims fairly among the sessions.

A recogniser may limit its concurrent calls (``max_concurrent``). One of the places is
kept for finals, so that an interim transcript, which not every engine can stop half-way, does not
hold up the words that the user waits for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from attrs import define, field


@define(eq=False)
class Ticket:
    """A request that waits for a place."""

    session: str
    final: bool
    called: anyio.Event = field(factory=anyio.Event)


@define(eq=False)
class SttQueue:
    """Admits at most *limit* requests at once; ``None``: no limit."""

    limit: int | None
    finals: deque[Ticket] = field(factory=deque)
    interims: list[Ticket] = field(factory=list)
    inside: list[Ticket] = field(factory=list)
    served: dict[str, int] = field(factory=dict)
    """When each session's latest interim was admitted, as a running number."""
    number: int = 0

    @asynccontextmanager
    async def place(self, session: str, *, final: bool) -> AsyncIterator[None]:
        """Wait for a place and keep it for the block."""
        ticket = Ticket(session, final)
        (self.finals if final else self.interims).append(ticket)
        self._call()
        try:
            await ticket.called.wait()
            yield
        finally:
            self._leave(ticket)

    def _leave(self, ticket: Ticket) -> None:
        if ticket in self.inside:
            self.inside.remove(ticket)
        else:
            (self.finals if ticket.final else self.interims).remove(ticket)
        self._call()

    def _call(self) -> None:
        """Admit the requests for which there is room."""
        while ticket := self._next():
            self.inside.append(ticket)
            ticket.called.set()

    def _next(self) -> Ticket | None:
        if self.limit is not None and len(self.inside) >= self.limit:
            return None
        if self.finals:
            return self.finals.popleft()
        if not self.interims or not self._may_admit_interim():
            return None
        ticket = min(self.interims, key=lambda ticket: self.served.get(ticket.session, 0))
        self.interims.remove(ticket)
        self.number += 1
        self.served[ticket.session] = self.number
        return ticket

    def _may_admit_interim(self) -> bool:
        guessing = sum(not ticket.final for ticket in self.inside)
        return self.limit is None or guessing < max(1, self.limit - 1)

    @property
    def has_room(self) -> bool:
        """Whether one more interim, and a final beside it, would be admitted at once."""
        return self.limit is None or len(self.inside) + 2 <= self.limit

    def forget(self, session: str) -> None:
        """Drop what is kept of a session."""
        self.served.pop(session, None)
