"""Where a language model computes, and on how many threads."""

from __future__ import annotations

import os

from attrs import frozen

MOST_THREADS = 8
"""More threads make a reply no faster: memory is then the limit."""
SHARE = 2
"""One core in so many writes: the others hear and speak, and threads that have to wait for each
other are slower than one thread alone."""


@frozen
class Placement:
    """Where a model computes: *replies* at once, each on *threads* (0: as many as help)."""

    device: str
    compute_type: str
    threads: int
    replies: int

    def type_on(self, device: str) -> str:
        """Return the type to compute in; "default" is the fast one of the device."""
        usual = "int8" if device == "cpu" else "int8_float16"
        return usual if self.compute_type == "default" else self.compute_type

    @property
    def usual_threads(self) -> int:
        """The threads of a reply; half of the cores where that is not set."""
        return self.threads or min(max(1, (os.cpu_count() or 1) // SHARE), MOST_THREADS)
