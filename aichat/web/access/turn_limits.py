"""Rate limits for work: turns, and whatever else a frame asks for.

Each message is stored and interrupts the one before, so a client that sends thousands would stall
everybody. Token buckets count requests per connection, per conversation over all its connections,
and per client address over all of its own; a person reaches none of these limits. A refused request
does nothing: it is not stored, and interrupts nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from attrs import Factory, define, field, frozen

from aichat.core import WebConfig

from .rate_limits import Bucket, Buckets, TooMany, client_of

TURNS_AT_ONCE = 10
"""Burst of turns: the turns of this many seconds may be begun at once."""
WISHES_PER_S = 20.0
"""Most interruptions, settings, drafts and starts of speech per second and connection."""
WISHES_AT_ONCE = 3
"""Burst of these requests, in seconds of the rate."""
PER_CONVERSATION = 2
"""Limit of a whole conversation, in multiples of one connection's."""


class RateLimited(TooMany):
    """A client exceeds the rate limit for turns or other work."""

    code = "rate_limited"

    def __init__(self, what: str, wait: float) -> None:
        problem = f"{what} come too fast; this one was ignored."
        super().__init__(problem, f"Wait {ceil(wait)} s, then send it again.", wait)


@frozen
class Allowance:
    """What a client may begin in a conversation: the buckets that it draws from."""

    what: str = ""
    buckets: tuple[Bucket, ...] = ()
    """Empty: unlimited."""

    def take(self) -> None:
        """Count one request. Raises :class:`RateLimited`, and then nothing was taken."""
        taken: list[Bucket] = []
        for bucket in self.buckets:
            if wait := bucket.take():
                for one in taken:
                    one.give_back()
                raise RateLimited(self.what, wait)
            taken.append(bucket)


@define(eq=False)
class Pace:
    """Limits one kind of work to *rate* per second and connection."""

    what: str
    rate: float
    seconds: float
    """Burst: the requests of this many seconds may come at once."""
    sockets: int
    """Most connections that a client may have at once."""
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
        """Return the allowance of a new connection."""
        own = Bucket(self.rate, self._size(self.rate), self.now)
        shared = self.conversations[conversation], self.clients[client_of(client)]
        return Allowance(self.what, (own, *shared))


@frozen
class Paces:
    """The limits for turns, and for wishes: requests for any other work."""

    turns: Pace
    wishes: Pace

    @classmethod
    def by(cls, web: WebConfig, now: Callable[[], float]) -> Paces:
        """Return the limits that ``[web]`` in plugins.toml sets."""
        most = web.max_sockets
        turns = Pace("Messages", web.max_turns_per_s, TURNS_AT_ONCE, most, now)
        return cls(turns, Pace("Requests", WISHES_PER_S, WISHES_AT_ONCE, most, now))
