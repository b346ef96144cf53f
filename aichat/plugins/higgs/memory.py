"""When the device has no memory left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OutOfMemory(Exception):  # a fact; whoever speaks to people makes an error of it
    """There was no memory left for one speech; the others go on."""


@contextmanager
def watched() -> Iterator[None]:
    """Raise :class:`OutOfMemory` for torch's error, without what holds on to the memory."""
    try:
        yield
    except RuntimeError as error:
        # torch's is called so; MPS has none of its own
        if type(error).__name__ != "OutOfMemoryError" and "out of memory" not in str(error):
            raise
    else:
        return
    raise OutOfMemory
