"""argon2id, for secrets that a person may have chosen: slow and large, so that guessing is costly.

A check takes about 150 ms and 64 MiB. So it never runs on the event loop, where it would stall all
audio, but in a worker thread, one at a time. Few may wait for it: a flood of wrong secrets must
neither fill the memory nor lock out for long a client with a right one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from anyio import CapacityLimiter, to_thread

from .rate_limits import TooMany

WAITING = 8
"""Most checks that wait for the thread."""


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher  # only the mode `token` needs it

    return PasswordHasher()  # RFC 9106, the choice for little memory


@cache
def _dummy_hash() -> str:
    return hash_of("")


def hash_of(secret: str) -> str:
    """Hash a secret; takes about 150 ms."""
    hashed: str = _hasher().hash(secret)
    return hashed


def _matches(hashed: str | None, secret: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        # an unknown name takes as long, so that the time does not reveal which names exist
        _hasher().verify(hashed or _dummy_hash(), secret)
    except (VerificationError, InvalidHashError):  # another secret, or no hash at all
        return False
    return hashed is not None


class Checker:
    """Checks secrets against argon2 hashes, one at a time."""

    def __init__(self) -> None:
        self._thread = CapacityLimiter(1)
        self._waiting = 0

    async def matches(self, hashed: str | None, secret: str) -> bool:
        """Return whether *secret* has that hash; None matches nothing. Raises TooMany."""
        if self._waiting > WAITING:
            raise TooMany(
                "There are too many logins at this moment.", "Try again in a moment.", wait=2
            )
        self._waiting += 1
        try:
            return await to_thread.run_sync(_matches, hashed, secret, limiter=self._thread)
        finally:
            self._waiting -= 1
