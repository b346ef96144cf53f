"""Failover: chooses the best backend that is ready and has not just stalled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define, field

from aichat.core.bus.clock import Clock
from aichat.core.errors import NotReady

from .selection import Parts

REST_SECONDS = 60.0
"""Seconds after a stall in which another candidate is preferred, if one is ready."""
MOST_STUCK = 4
"""Calls that are stuck in a backend at which it is not asked any more, until one of them ends."""


@define(eq=False)
class Standby:
    """Chooses among the candidates of one *part*, in the order of preference."""

    clock: Clock
    parts: Parts
    part: str
    stuck: Sequence[Any] = ()
    """The backends of all calls that are stuck, as the bus counts them."""
    _resting: list[tuple[Any, float]] = field(factory=list)
    """Backends that stalled, and the time on the bus clock until which they rest."""

    def rest(self, backend: Any) -> None:
        """Prefer others to a backend that has stalled, for a while."""
        self._resting.append((backend, self.clock.now() + REST_SECONDS))

    def is_resting(self, backend: Any) -> bool:
        """Return whether a backend has just stalled."""
        now = self.clock.now()
        return any(backend is one and until > now for one, until in self._resting)

    def choose(self, without: Iterable[Any] = (), used: Sequence[Any] = ()) -> Any:
        """Return the next backend to try; None when all that are ready are among those *without*.

        Those *used* before are preferred to better ones. Raises :class:`NotReady` while none is
        ready, or all that are left are stuck.
        """
        role = self.parts.roles[self.part]
        best = role.backend()
        if not (self._resting or self.stuck or without or used):
            return best
        now, given_up = self.clock.now(), list(without)
        self._resting = [(one, until) for one, until in self._resting if until > now]
        in_order = role.ready()
        in_order = [*(one for one in used if _is_in(one, in_order)), *in_order]
        ready = [one for one in in_order if not _is_in(one, given_up)]
        usable = [one for one in ready if not self._is_stuck(one)]
        if ready and not usable:
            raise NotReady(
                f"[{self.part}] does not answer: {MOST_STUCK} calls of it have not ended.",
                f"Restart aichat, or name another backend as well under [{self.part}] use.",
            )
        awake = [one for one in usable if not _is_in(one, [one for one, _ in self._resting])]
        return next(iter([*awake, *usable]), None)

    def _is_stuck(self, backend: Any) -> bool:
        return sum(backend is one for one in self.stuck) >= MOST_STUCK


def _is_in(backend: Any, those: Iterable[Any]) -> bool:
    return any(backend is one for one in those)  # by identity: backends may compare as they like
