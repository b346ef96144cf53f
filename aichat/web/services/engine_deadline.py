"""A deadline for the whole stream of an engine that a page tries out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TypeVar

import anyio

from aichat.core import AichatError, BackendFailed, TimedOut

log = logging.getLogger(__name__)

T = TypeVar("T")


class WithDeadline(AsyncIterator[T]):
    """The items of *stream* that come within *seconds*, counted from here.

    Raises AichatError only: TimedOut, BackendFailed for an unknown error, and what the *engine*
    (its name in a sentence, as "voice") raises of them itself. *hint* says how to mend it. No
    cancel scope is held between two items.
    """

    def __init__(self, stream: AsyncIterator[T], seconds: float, engine: str, hint: str) -> None:
        self._stream, self._seconds = stream, seconds
        self._engine, self._hint = engine, hint
        self._until = anyio.current_time() + seconds

    async def __anext__(self) -> T:
        try:
            with anyio.fail_after(self._until - anyio.current_time()):
                return await anext(self._stream)
        except (AichatError, StopAsyncIteration):
            raise
        except TimeoutError:
            raise TimedOut(
                f"The {self._engine} did not finish within {self._seconds:g} seconds.", self._hint
            ) from None
        except Exception as error:  # an unknown error of an engine becomes one of ours
            log.exception("The %s that was tried out failed", self._engine)
            raise BackendFailed(
                f"The {self._engine} failed ({type(error).__name__}).",
                f"{self._hint} The log says more.",
            ) from error
