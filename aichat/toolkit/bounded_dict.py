"""A dict that forgets its oldest keys."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedDict(OrderedDict[K, V]):
    """Holds *limit* keys at most: for one more, the key goes that was set longest ago.

    Setting a key again counts. So does :meth:`use`, by which a reader keeps what it still needs:
    then the key goes that was used least recently.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        """Set a key, the newest from now on; forget the oldest for it."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self.limit:
            self.popitem(last=False)

    def use(self, key: K) -> V:
        """Return the value of a key, the newest from now on. Raises KeyError."""
        self.move_to_end(key)
        return self[key]
