"""How often people may begin something: a turn, or any other work that a frame asks for.

Each message would be stored and would interrupt the one before, so a client that sends thousands
costs everybody their turn. Token buckets count what is begun for each connection, for each
conversation over all its connections, and for each client address over all of its own; a person
meets none of them. What is refused does nothing: it is not stored, and interrupts nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from attrs import Factory, define, field, frozen

from aichat.core import Web

from .rate_limits import Bucket, Buckets, TooMany, client_of

TURNS_AT_ONCE = 10
"""Turns that may be begun at once are those of so many seconds."""
WISHES_PER_S = 20.0
"""Interruptions, settings, drafts and the beginnings of speech, for each connection."""
WISHES_AT_ONCE = 3
"""Likewise, of so many seconds."""
PER_CONVERSATION = 2
"""So many times what one connection may begin, all of a conversation may together."""


class RateLimited(TooMany):
    """More is begun than a person would."""

    code = "rate_limited"

    def __init__(self, what: str, wait: float) -> None:
        problem = f"{what} come too fast; this one was left out."
        super().__init__(problem, f"Wait {ceil(wait)} s, then send it again.", wait)


@frozen
class Allowance:
    """What a client may begin in a conversation, by the buckets that it draws on."""

    what: str = ""
    buckets: tuple[Bucket, ...] = ()
    """None: as much as one likes."""

    def take(self) -> None:
        """Begin one. Raises :class:`RateLimited`, and then nothing was taken."""
        taken: list[Bucket] = []
        for bucket in self.buckets:
            if wait := bucket.take():
                for one in taken:
                    one.give_back()
                raise RateLimited(self.what, wait)
            taken.append(bucket)


@define(eq=False)
class Pace:
    """Counts one kind of thing that is begun, *rate* a second for each connection."""

    what: str
    rate: float
    seconds: float
    """At once, as much may be begun as in so many seconds."""
    sockets: int
    """Connections that a client may have at once."""
    now: Callable[[], float]
    conversations: Buckets = field(
        default=Factory(lambda self: self._buckets(PER_CONVERSATION), takes_self=True)
    )
    clients: Buckets = field(
        default=Factory(lambda self: self._buckets(self.sockets), takes_self=True)
    )

    def _buckets(self, times: int) -> Buckets:
        rate = times * self.rate
        return Buckets(rate, self._size(rate), self.now)

    def _size(self, rate: float) -> float:
        return max(1.0, self.seconds * rate)

    def request(self, conversation: str | None, client: str | None) -> Allowance:
        """Return what may be begun by a request that has no connection.

        *conversation* is None while the request is yet to make one.
        """
        own = () if conversation is None else (self.conversations[conversation],)
        return Allowance(self.what, (*own, self.clients[client_of(client)]))

    def connection(self, conversation: str, client: str | None) -> Allowance:
        """Return what a new connection may begin."""
        own = Bucket(self.rate, self._size(self.rate), self.now)
        shared = self.conversations[conversation], self.clients[client_of(client)]
        return Allowance(self.what, (own, *shared))


@frozen
class Paces:
    """Turns, and wishes: whatever else is work."""

    turns: Pace
    wishes: Pace

    @classmethod
    def by(cls, web: Web, now: Callable[[], float]) -> Paces:
        """Count as ``[web]`` in plugins.toml says."""
        most = web.max_sockets
        turns = Pace("Messages", web.max_turns_per_s, TURNS_AT_ONCE, most, now)
        return cls(turns, Pace("Requests", WISHES_PER_S, WISHES_AT_ONCE, most, now))
