"""What a chat completion streams, read piece by piece: text, tool calls, and what it took.

What the model thinks is left out, whether the server tells it apart (``reasoning``) or the model
wrote it into its text, between ``<think>`` and ``</think>`` at the beginning.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator
from math import inf
from typing import Any

import anyio
from attrs import define, field

from aichat.core import BackendFailed, TimedOut, ToolCall, Usage, Written, is_clean

log = logging.getLogger(__name__)

END_SECONDS = 2.0
"""So long the server may take, when the reply is complete, to tell what it took."""
OPENING, CLOSING = "<think>", "</think>"
MOST_CALLS = 64
LONGEST_CALL = 100_000
"""Letters of all the arguments in one reply."""


@define
class Thoughts:
    """Takes thoughts out of the text; they come first, if any do."""

    held: str = ""
    has_begun: bool = False
    """The answer has begun: nothing that follows is a thought."""
    is_thinking: bool = False

    def feed(self, text: str) -> str:
        """Return what of the text is certainly no thought."""
        if self.has_begun:
            return text
        self.held += text
        return self._thinking() if self.is_thinking else self._undecided()

    def _undecided(self) -> str:
        start = self.held.lstrip()
        if start.startswith(OPENING):
            self.is_thinking = True
            return self._thinking()
        if OPENING.startswith(start):
            return ""
        return self.flush()

    def _thinking(self) -> str:
        _, closing, rest = self.held.partition(CLOSING)
        self.held = rest if closing else self.held[-len(CLOSING) :]
        self.is_thinking = not closing
        return self._undecided() if closing else ""

    def flush(self) -> str:
        """Return what was held back, which is no thought unless that has not ended."""
        held, self.held, self.has_begun = self.held, "", True
        return "" if self.is_thinking else held


@define
class Calls:
    """Puts tool calls together, whose arguments come in fragments.

    A fragment belongs to the call with its index; one that has an id of its own begins a new call,
    also where a server gives every call the same index, or none.
    """

    made: list[ToolCall] = field(factory=list)
    places: dict[int, int] = field(factory=dict)
    """Where in *made* the newest call with an index is."""
    letters: int = 0

    def add(self, fragment: Any) -> None:
        """Take in a fragment. Raises :class:`BackendFailed` when it gets too much."""
        function = getattr(fragment, "function", None)
        name = str(getattr(function, "name", None) or "")
        arguments = str(getattr(function, "arguments", None) or "")
        id = str(getattr(fragment, "id", None) or "")
        index = getattr(fragment, "index", None)
        place = self._place(index if isinstance(index, int) else 0, id)
        known = self.made[place]
        self.made[place] = ToolCall(known.id or id, known.name or name, known.arguments + arguments)
        self.letters += len(arguments)
        if len(self.made) > MOST_CALLS or self.letters > LONGEST_CALL:
            raise BackendFailed("The language model asked for too much at once.", "Ask again.")

    def _place(self, index: int, id: str) -> int:
        place = self.places.get(index)
        if place is None or (id and self.made[place].id not in ("", id)):
            place = self.places[index] = len(self.made)
            self.made.append(ToolCall(id, ""))
        return place

    def whole(self) -> Iterator[ToolCall]:
        """Yield the calls; one without an id gets one."""
        for place, call in enumerate(self.made):
            yield ToolCall(call.id or f"call-{place}", cleaned(call.name), cleaned(call.arguments))


@define
class Reading:
    """One stream being read.

    *seconds* is the longest wait for the next word, thought or piece of a call, from the first word
    on; until then it is the reader who counts. Chunks with nothing in them do not.
    """

    stream: Any
    seconds: float = inf
    is_finished: bool = False
    """The model has said that this is all; only what it took may follow."""
    wrote: bool = False
    waited: float = 0.0
    """Seconds since anything came; only those in which we waited, not those of a slow reader."""
    thoughts: Thoughts = field(factory=Thoughts)
    calls: Calls = field(factory=Calls)
    took: Usage | None = None

    async def pieces(self) -> AsyncGenerator[Written, None]:
        """Yield what is meant to be read, then calls and usage; close the stream at the end."""
        try:
            while (chunk := await self._chunk()) is not None:
                if getattr(chunk, "usage", None):  # some servers count on with every chunk
                    self.took = _usage(chunk)
                for choice in chunk.choices or ():
                    if text := self._choice(choice):
                        self.wrote = True
                        yield text
        finally:
            with anyio.move_on_after(2, shield=True):
                await self.stream.close()
        if not self.is_finished:
            raise BackendFailed("The language model broke off in mid-sentence.", "Try again.")
        for piece in self.rest():
            yield piece

    async def _chunk(self) -> Any:
        """Return the next chunk. When the reply is complete, nothing can fail it any more."""
        seconds = END_SECONDS if self.is_finished else self.seconds if self.wrote else inf
        begun = anyio.current_time()
        try:
            with anyio.move_on_after(max(0, seconds - self.waited)):
                chunk = await anext(self.stream, None)
                self.waited += anyio.current_time() - begun
                return chunk
            raise TimedOut(
                f"The model's next word did not come within {seconds:g} seconds.",
                "Try again, or choose another model.",
            )
        except Exception as error:
            if not self.is_finished:
                raise
            log.info("what a reply took was not told (%s)", type(error).__name__)
            return None

    def rest(self) -> Iterator[Written]:
        """Yield what is known only at the end. Raises :class:`BackendFailed` if that is nothing."""
        if text := cleaned(self.thoughts.flush()):
            self.wrote = True
            yield text
        calls = list(self.calls.whole())
        yield from calls
        if self.took is not None:
            yield self.took
        if not (self.wrote or calls):
            raise BackendFailed("The language model wrote nothing.", "Try again, or change model.")

    def _choice(self, choice: Any) -> str:
        if choice.finish_reason == "error":
            raise BackendFailed("The language model broke off in mid-sentence.", "Try again.")
        delta = choice.delta
        fragments = getattr(delta, "tool_calls", None) or ()
        has_begun_to_end = choice.finish_reason is not None and not self.is_finished
        if delta.content or fragments or _thinks(delta) or has_begun_to_end:
            self.waited = 0
        self.is_finished = self.is_finished or has_begun_to_end
        for fragment in fragments:
            self.calls.add(fragment)
        return cleaned(self.thoughts.feed(delta.content or ""))


def _thinks(delta: Any) -> bool:
    """Tell whether there is a thought in it; OpenRouter and vLLM have different names for that."""
    return bool(getattr(delta, "reasoning", None) or getattr(delta, "reasoning_content", None))


def _usage(chunk: Any) -> Usage:
    """Read what the reply took; only OpenRouter tells the cost."""
    took = chunk.usage
    return Usage(
        str(getattr(chunk, "model", None) or "") or None,
        _count(getattr(took, "prompt_tokens", None)),
        _count(getattr(took, "completion_tokens", None)),
        _cost(getattr(took, "cost", None)),
    )


def _count(told: object) -> int | None:
    return told if isinstance(told, int) and told >= 0 else None


def _cost(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) and 0 <= told < inf else None


def cleaned(text: str) -> str:
    """Take out what no store can keep."""
    if is_clean(text):
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")
