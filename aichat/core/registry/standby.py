"""Who plays a part for now: the best candidate that is ready and has not just stalled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import define, field

from aichat.core.bus.clock import Clock

from .selection import Parts

REST_SECONDS = 60.0
"""After a stall another candidate goes first for this long, where one is ready."""


@define(eq=False)
class Standby:
    """Chooses among the candidates of one *part*, in the order of preference."""

    clock: Clock
    parts: Parts
    part: str
    _resting: list[tuple[Any, float]] = field(factory=list)
    """Backends that stalled, and until when they rest, on the bus clock."""

    def rest(self, backend: Any) -> None:
        """Let others go before a backend that has stalled."""
        self._resting.append((backend, self.clock.now() + REST_SECONDS))

    def is_resting(self, backend: Any) -> bool:
        """Tell whether a backend has just stalled."""
        now = self.clock.now()
        return any(backend is one and until > now for one, until in self._resting)

    def choose(self, without: Iterable[Any] = ()) -> Any:
        """Return who is asked next; None when all that are ready are among those *without*.

        Raises :class:`NotReady` while nobody is ready.
        """
        role = self.parts.roles[self.part]
        best = role.backend()
        if not self._resting and not without:
            return best
        now, given_up = self.clock.now(), list(without)
        self._resting = [(one, until) for one, until in self._resting if until > now]
        ready = [one for one in role.ready() if not _is_in(one, given_up)]
        awake = [one for one in ready if not _is_in(one, [one for one, _ in self._resting])]
        return next(iter([*awake, *ready]), None)


def _is_in(backend: Any, those: Iterable[Any]) -> bool:
    return any(backend is one for one in those)  # by identity: backends may compare as they like
