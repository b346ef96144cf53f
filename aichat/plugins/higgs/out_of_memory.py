"""When the device has no memory left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OutOfMemory(Exception):  # internal; the backend raises a typed error from it
    """There was no memory left for one speech, when *voices* could go on at once."""

    def __init__(self, voices: int) -> None:
        super().__init__(voices)
        self.voices = voices


@contextmanager
def watched(voices: int) -> Iterator[None]:
    """Raise :class:`OutOfMemory` for torch's error, without what holds on to the memory."""
    try:
        yield
    except RuntimeError as error:
        # torch's is called so; MPS has none of its own
        if type(error).__name__ != "OutOfMemoryError" and "out of memory" not in str(error):
            raise
    else:
        return
    raise OutOfMemory(voices)
