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

from aichat.toolkit.bounded_dict import BoundedDict

SESSIONS = 1_000
"""Sessions of which it is remembered when they were served, the last ones; others come first."""


@define(eq=False)
class SttRequest:
    """A request that waits for a place."""

    session: str
    final: bool
    admitted: anyio.Event = field(factory=anyio.Event)


@define(eq=False)
class SttQueue:
    """Admits at most *limit* requests at once; ``None``: no limit."""

    limit: int | None
    finals: deque[SttRequest] = field(factory=deque)
    interims: list[SttRequest] = field(factory=list)
    active: list[SttRequest] = field(factory=list)
    last_admitted: BoundedDict[str, int] = field(factory=lambda: BoundedDict(SESSIONS))
    """When each session's latest interim was admitted, as a running number."""
    number: int = 0

    @asynccontextmanager
    async def slot(self, session: str, *, final: bool) -> AsyncIterator[None]:
        """Wait for a place and keep it for the block."""
        request = SttRequest(session, final)
        (self.finals if final else self.interims).append(request)
        self._admit()
        try:
            await request.admitted.wait()
            yield
        finally:
            self._leave(request)

    def _leave(self, request: SttRequest) -> None:
        if request in self.active:
            self.active.remove(request)
        else:
            (self.finals if request.final else self.interims).remove(request)
        self._admit()

    def _admit(self) -> None:
        """Admit the requests for which there is room."""
        while request := self._next():
            self.active.append(request)
            request.admitted.set()

    def _next(self) -> SttRequest | None:
        if self.limit is not None and len(self.active) >= self.limit:
            return None
        if self.finals:
            return self.finals.popleft()
        if not self.interims or not self._may_admit_interim():
            return None
        request = min(self.interims, key=lambda request: self.last_admitted.get(request.session, 0))
        self.interims.remove(request)
        self.number += 1
        self.last_admitted[request.session] = self.number
        return request

    def _may_admit_interim(self) -> bool:
        interims = sum(not request.final for request in self.active)
        return self.limit is None or interims < max(1, self.limit - 1)

    @property
    def has_room(self) -> bool:
        """Whether one more interim, and a final beside it, would be admitted at once."""
        return self.limit is None or len(self.active) + 2 <= self.limit
