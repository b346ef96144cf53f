"""State of each open conversation, which goes when the conversation closes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class PerConversation(Generic[T]):
    """A value for each conversation that is open. Made by :meth:`Bus.per_conversation`.

    The bus frees a value when its conversation closes. A handler may outlive that: a value that it
    makes later is freed with its own work, and none is kept of a conversation without any.
    """

    def __init__(
        self,
        conversations: Container[str],
        make: Callable[[], T] | None,
        close: Callable[[T], None] | None,
    ) -> None:
        self._conversations, self._make, self._close = conversations, make, close
        self._values: dict[str, T] = {}

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def of(self, conversation: str) -> T:
        """Return a conversation's value; make it if there is none."""
        try:
            return self._values[conversation]
        except KeyError:
            assert self._make  # noqa: S101  (only `set` and `get` work without)
            return self.set(conversation, self._make())

    def get(self, conversation: str) -> T | None:
        """Return a conversation's value, if there is one."""
        return self._values.get(conversation)

    def set(self, conversation: str, value: T) -> T:
        """Put *value* in the place of a conversation's value; return it."""
        if conversation in self._conversations:
            self._values[conversation] = value
        return value

    def pop(self, conversation: str) -> T | None:
        """Take out a conversation's value, which is not closed."""
        return self._values.pop(conversation, None)

    def free(self, conversation: str) -> None:
        """Drop a conversation's value, and close it. The bus does so when it closes."""
        if conversation in self._values:
            value = self._values.pop(conversation)
            try:
                if self._close:
                    self._close(value)
            except Exception:
                log.exception("%r cannot be closed", value)
