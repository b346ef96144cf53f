"""Time-ordered ids (UUID version 7, RFC 9562): sorted by id, records are sorted by age."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_last = 0
_moment: Callable[[], int] = time.time_ns
_random: Callable[[int], bytes] = os.urandom


def new_id() -> str:
    """Return a UUIDv7 that is greater than every one this process made before."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 12 bits of sub-milliseconds, kept strictly growing
        _last = max(_last + 1, _moment() * 4096 // 1_000_000)
        moment = _last
    millis, fraction = moment >> 12, moment & 0xFFF
    tail = int.from_bytes(_random(8), "big") & (2**62 - 1)
    digits = f"{millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@contextmanager
def ids_made_of(moment: Callable[[], int], random: Callable[[int], bytes]) -> Iterator[None]:
    """Make ids from another clock (ns since 1970) and other random bytes: for repeatable runs."""
    global _last, _moment, _random
    before = _last, _moment, _random
    _last, _moment, _random = 0, moment, random
    try:
        yield
    finally:
        _last, _moment, _random = max(before[0], _last), before[1], before[2]
