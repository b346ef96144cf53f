"""argon2id, for secrets that a person may have chosen: slow and large, so that guessing is dear.

A check takes about 150 ms and 64 MiB. So it never runs on the event loop, where it would stop
everybody's sound, but in a worker thread, one at a time. Few may wait for it: a crowd of wrong
secrets must neither fill the memory nor keep out for long who has a right one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from anyio import CapacityLimiter, to_thread

from .rate_limits import TooMany

WAITING = 8
"""So many may wait for the thread."""


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher  # only the mode `token` needs it

    return PasswordHasher()  # RFC 9106, the choice for little memory


@cache
def _nobodys() -> str:
    return hash_of("")


def hash_of(secret: str) -> str:
    """Hash a secret; it takes a while."""
    hashed: str = _hasher().hash(secret)
    return hashed


def _matches(hashed: str | None, secret: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        # for an unknown name as much work is done: how long it takes does not tell who is known
        _hasher().verify(hashed or _nobodys(), secret)
    except (VerificationError, InvalidHashError):  # another secret, or no hash at all
        return False
    return hashed is not None


class Checker:
    """Checks secrets against argon2 hashes, one at a time."""

    def __init__(self) -> None:
        self._thread = CapacityLimiter(1)
        self._waiting = 0

    async def matches(self, hashed: str | None, secret: str) -> bool:
        """Tell whether *secret* has that hash; None stands for nobody's. Raises TooMany."""
        if self._waiting > WAITING:
            raise TooMany("Many log in just now.", "Try again in a moment.", wait=2)
        self._waiting += 1
        try:
            return await to_thread.run_sync(_matches, hashed, secret, limiter=self._thread)
        finally:
            self._waiting -= 1
