"""What a chat completion streams, read piece by piece: text, tool calls, and what it took.

What the server marks as thoughts (``reasoning``) is left out; those in the text are left out
for every language model, in :mod:`aichat.toolkit.model_output.filtered_replies`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from math import inf
from typing import Any

import anyio
from attrs import define, field

from aichat.core import THINKING, BackendFailed, LlmOutput, TimedOut, ToolCall, Usage, is_storable

from .chunks import ENDS, delta_of, usage_of
from .event_stream import Events
from .tool_calls import Calls

log = logging.getLogger(__name__)

END_SECONDS = 2.0
"""The longest wait, when the reply is complete, for what it took."""
DONE_SECONDS = 0.25
"""The longest wait for the end of the response after ``[DONE]``."""


@define
class Halves:
    """Puts letters together whose two halves (surrogates) came apart."""

    held: str = ""

    def feed(self, text: str) -> str:
        """Return *text*, but for a first half at its end."""
        text = self.held + text
        self.held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return cleaned(text[:-1] if self.held else text)

    def flush(self) -> str:
        """Return what has no other half."""
        held, self.held = self.held, ""
        return cleaned(held)


@define
class Reading:
    """One stream being read; *names* are those of the tools that were offered.

    *seconds* is the longest wait for the next word, thought or piece of a call, from the first word
    on, *thought_seconds* from the first thought on; until then it is the reader who counts. Chunks
    with nothing in them do not.
    """

    stream: Any
    seconds: float = inf
    thought_seconds: float = inf
    names: Collection[str] = ()
    is_finished: bool = False
    """The model has said that this is all; only what it took may follow."""
    ends: str = ""
    """The finish reason as it came, standard or not."""
    wrote: bool = False
    thinks: bool = False
    """It has sent thoughts, and not a word yet."""
    lives: bool = False
    """There was a thought, or a piece of a call, in the newest chunk."""
    waited: float = 0.0
    """Seconds since anything came; only those in which we waited, not those of a slow reader."""
    halves: Halves = field(factory=Halves)
    calls: Calls = field(init=False)
    events: Events = field(init=False)
    took: Usage | None = None

    def __attrs_post_init__(self) -> None:
        self.calls = Calls(self.names)
        self.events = Events(self.stream.response.aiter_bytes())

    async def pieces(self) -> AsyncGenerator[LlmOutput, None]:
        """Yield what is meant to be read, then calls and usage; close the stream at the end."""
        chunks = self.events.objects()
        try:
            while (chunk := await self._chunk(chunks)) is not None:
                self.took = usage_of(chunk) or self.took  # some servers count on with every chunk
                if text := self._text(chunk):
                    self.wrote = True
                    yield text
                elif self.lives:
                    yield THINKING
        finally:
            with anyio.move_on_after(2, shield=True):
                await chunks.aclose()
                await self.stream.close()
        if not (self.is_finished or self.ends or self.events.is_done):
            raise BackendFailed("The language model broke off in mid-sentence.", "Try again.")
        for piece in self.rest():
            yield piece

    async def _chunk(self, chunks: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any] | None:
        """Return the next chunk. When the reply is complete, nothing can fail it any more."""
        seconds, begun = self._patience(), anyio.current_time()
        try:
            with anyio.move_on_after(max(0, seconds - self.waited)):
                chunk = await anext(chunks, None)
                self.waited += anyio.current_time() - begun
                return chunk
            what = "next thought" if self.thinks else "next word"
            raise TimedOut(
                f"The model's {what} did not come within {seconds:g} seconds.",
                "Try again, or choose another model.",
            )
        except Exception as error:
            if not (self.is_finished or self.events.is_done):
                raise
            log.debug("the end of a response did not come (%s)", type(error).__name__)
            return None

    def _patience(self) -> float:
        if self.events.is_done:
            return DONE_SECONDS
        if self.is_finished:
            return END_SECONDS
        if self.thinks and not self.wrote:
            return self.thought_seconds
        return self.seconds if self.wrote else inf

    def rest(self) -> Iterator[LlmOutput]:
        """Yield what is known only at the end. Raises :class:`BackendFailed` if that is nothing."""
        if text := self.halves.flush():
            self.wrote = True
            yield text
        calls = [
            ToolCall(call.id, cleaned(call.name), cleaned(call.arguments))
            for call in self.calls.whole()
        ]
        yield from calls
        if self.took is not None:
            yield self.took
        if not (self.wrote or calls):
            raise BackendFailed(*NOTHING.get(self.ends, NOTHING[""]))

    def _text(self, chunk: Mapping[str, Any]) -> str:
        """Take in a chunk; return its text."""
        delta = delta_of(chunk)
        if delta.ends == "error":
            raise BackendFailed("The language model broke off in mid-sentence.", "Try again.")
        text = self.halves.feed(delta.text) if delta.text else ""
        for fragment in delta.fragments:
            self.calls.add(fragment)
        has_any = bool(self.wrote or text or self.calls.made)
        ends_now = delta.ends in ENDS and has_any and not self.is_finished
        self.lives = bool(delta.fragments or delta.thinks)
        if text or self.lives or ends_now:
            self.waited = 0
        self.is_finished = self.is_finished or ends_now
        self.ends = delta.ends or self.ends
        self.thinks = not has_any and (self.thinks or delta.thinks)
        return text


NOTHING = {
    "": ("The language model wrote nothing.", "Try again, or change model."),
    "length": (
        "The language model came to its limit before its first word: it thought for too long.",
        "Raise max_tokens, or lower reasoning in [llm.openai].",
    ),
    "content_filter": (
        "The server's filter withheld what the language model wrote.",
        "Say it differently, or change model.",
    ),
}
"""What to say of a reply without a word, by the reason for which it ended."""


def cleaned(text: str) -> str:
    """Take out what no store can keep."""
    if is_storable(text):
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")
